// Mercurius with its JIT, on Fastify, as its documentation sets it up.
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { open, typeDefs } from './monitor.mjs'

const app = Fastify({ bodyLimit: 2 ** 24 })
app.register(mercurius, { schema: typeDefs, resolvers: open(process.argv[3]), jit: 1 })
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
console.log(`listening on http://127.0.0.1:${app.server.address().port}`)
