// Runs the audits of GraphQL over HTTP against a server, and prints each that is not met as a line of JSON.
import { auditServer } from 'graphql-http'

const results = await auditServer({ url: process.argv[2] })
for (const { id, name, status, reason } of results) {
  if (status !== 'ok') console.log(JSON.stringify({ id, name, status, reason }))
}
console.log(JSON.stringify({ audits: results.length }))
