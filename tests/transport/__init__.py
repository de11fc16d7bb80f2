"""GraphQL over HTTP, WebSocket, SSE and multipart."""
