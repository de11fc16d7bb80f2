"""Live streams: what is stored, then what is recorded, in order, each once."""
