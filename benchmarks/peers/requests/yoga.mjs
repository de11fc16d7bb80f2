// GraphQL Yoga on Node's own server, as its documentation sets it up: its caches of parsed and validated operations are on.
import { createServer } from 'node:http'
import { createSchema, createYoga } from 'graphql-yoga'
import { open, typeDefs } from './monitor.mjs'

const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers: open(process.argv[3]) }), logging: false })
const server = createServer(yoga)
server.listen(Number(process.argv[2]), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})
