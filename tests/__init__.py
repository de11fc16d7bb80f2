"""The specification: test names state the rules."""
