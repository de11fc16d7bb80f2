"""Training curves without a GPU: pure functions from (seed, settings, step) to a point."""
