"""What those who run the server see of it: ids of requests, logs, metrics and traces."""
