"""GraphQL over a wire: HTTP, server-sent events, multipart, WebSocket."""
