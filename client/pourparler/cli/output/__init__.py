"""What a command prints: pages, tables and words for each answer."""
