"""Webhooks: whom alerts are told to, how, and how often."""
