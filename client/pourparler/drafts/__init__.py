"""Drafts of entries, made of plain Python values."""
