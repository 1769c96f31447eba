"""Output of commands: pages, tables and phrases."""
