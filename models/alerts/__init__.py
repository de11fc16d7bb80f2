"""Alerts: the rules that raise them, and the checks of these as points are stored."""
