"""Rules of the database."""
