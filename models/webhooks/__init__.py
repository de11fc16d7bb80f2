"""Webhooks: alerts are told to the receivers that their rules name."""
