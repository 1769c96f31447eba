"""The SQLite backend: a record in one file, and what is derived from it in files beside it.

All SQL of the service stands here.
"""
