"""The database: connections, transactions, statements; SQLite and PostgreSQL behind one interface."""
