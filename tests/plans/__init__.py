"""Compiled plans against Strawberry."""
