// Mercurius with its own subscriptions, as its documentation sets them up: points in memory, no store.
import Fastify from 'fastify'
import mercurius from 'mercurius'

const schema = `
  type Query { ready: Boolean! }
  type Metric { seq: Int! step: Int! epoch: Int! loss: Float accuracy: Float learningRate: Float }
  type Mutation { publish(first: Int!, count: Int!): Int! }
  type Subscription { metricAdded(jobId: ID!, after: Int): Metric! }
`

const resolvers = {
  Query: { ready: () => true },
  Mutation: {
    publish: async (_, { first, count }, { pubsub }) => {
      for (let seq = first; seq < first + count; seq++) {
        const metricAdded = { seq, step: seq, epoch: 1, loss: 1 / seq, accuracy: 1 - 1 / seq, learningRate: 0.1 }
        await pubsub.publish({ topic: 'metric', payload: { metricAdded } })
      }
      return count
    }
  },
  Subscription: { metricAdded: { subscribe: (_, __, { pubsub }) => pubsub.subscribe('metric') } }
}

const app = Fastify()
app.register(mercurius, { schema, resolvers, subscription: true, jit: 1 })
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
console.log(`listening on http://127.0.0.1:${app.server.address().port}`)
