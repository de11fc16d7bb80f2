"""Rules of backups and restores."""
