"""Whether a request may come in: host, origin, rate, token, connection slot."""
