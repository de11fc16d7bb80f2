"""Rules of simulated runs."""
