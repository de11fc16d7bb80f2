"""What an operator sees of the server: ids of requests, logs and traces."""
