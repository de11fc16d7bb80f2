"""The store's schema, step by step; written by `make migration`, applied when a server starts."""
