"""Webhooks: alerts are delivered to the receivers that their rules name."""
