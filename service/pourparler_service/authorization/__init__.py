"""Roles and visibility scopes: which caller may see or record which entry."""
