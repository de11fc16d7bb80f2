"""Backups of a store in SQLite, and restores from them."""
