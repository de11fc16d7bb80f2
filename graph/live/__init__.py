"""Live streams of the domain: stored points first, then new ones, in order, each once."""
