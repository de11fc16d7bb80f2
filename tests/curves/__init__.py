"""Rules of curves and their chunks."""
