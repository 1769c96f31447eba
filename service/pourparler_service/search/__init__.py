"""Full-text search over entries: query, index, indexer and snippets."""
