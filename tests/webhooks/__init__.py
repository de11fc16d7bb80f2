"""Webhooks: where alerts are delivered, how, and how often."""
