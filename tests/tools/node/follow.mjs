// Follows a job with graphql-ws's own client, over losses of its connection: it asks on from the last point it has.
// Prints each seq, each connection and the end as a line of JSON.
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'

const [url, id] = process.argv.slice(2)
const query = 'subscription ($id: ID!, $after: Int!) { metricAdded(jobId: $id, after: $after) { seq } }'
const tell = (what) => console.log(JSON.stringify(what))
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  lazy: false,
  retryAttempts: Infinity,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 50)),
  shouldRetry: () => true,
  on: {
    connected: () => tell({ connected: true }),
    closed: (event) => tell({ closed: event.code }),
  },
})

// A retry of the client would begin the same operation again; the variables are read at each beginning.
let last = 0
const variables = { id, get after() { return last } }
client.subscribe({ query, variables }, {
  next: ({ data, errors }) => {
    if (errors) tell({ errors })
    last = data.metricAdded.seq
    tell({ seq: last })
  },
  error: (error) => { tell({ error: String(error) }); process.exit(1) },
  complete: async () => { tell({ complete: true }); await client.dispose() },
})
