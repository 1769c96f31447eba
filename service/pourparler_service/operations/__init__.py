"""Maintenance of a data directory while no service uses it."""
