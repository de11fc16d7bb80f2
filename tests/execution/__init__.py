"""Rules of documents, limits and errors."""
