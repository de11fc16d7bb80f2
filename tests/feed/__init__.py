"""Rules of the feed."""
