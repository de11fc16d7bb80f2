"""Rules of who may come in."""
