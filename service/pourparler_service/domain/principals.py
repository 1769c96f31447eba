"""The names of principals. Pure."""

ANONYMOUS = "anonymous@loopback"
"""How the record names a caller of whom nothing is known but that it is on this machine."""
