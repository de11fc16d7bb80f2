"""Compiled ways, each beside its differential test against the plain one, to which it leaves what it does not know."""
