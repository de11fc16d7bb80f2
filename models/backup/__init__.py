"""Copies of a SQLite store, and stores from copies."""
