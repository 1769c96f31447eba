"""Options that commands share: points in time, connection, completion and suggestions."""
