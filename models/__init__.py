"""The domain: a job's life, its tables, the verbs that change them, and the feed; knows no simulator and no API."""
