"""Lists of jobs, and what is said of a job: its config, and its updates."""
