"""Rules of live streams."""
