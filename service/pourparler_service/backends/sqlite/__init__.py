"""The stores over SQLite. All SQL and every PRAGMA of the service stand here."""
