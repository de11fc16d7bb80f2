"""The domain: a job's life, its tables, the verbs that change them, and the feed that tells of it.

Imports nothing of simulator or graph.
"""
