"""What every request passes before anything else: who may come, from where, and how often."""
