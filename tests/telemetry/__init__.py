"""Logs, metrics, traces, request ids."""
