"""Rules of jobs, points and tokens."""
