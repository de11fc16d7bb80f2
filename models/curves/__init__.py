"""Curves: one named value of a job over its steps, downsampled and read from packed chunks."""
