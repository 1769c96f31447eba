"""Cooperative yielding and bounded caches. Knows nothing of negotiations."""
