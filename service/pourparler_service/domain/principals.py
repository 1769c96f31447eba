"""The names of principals. Pure."""

ANONYMOUS = "anonymous@loopback"
"""The principal of an unauthenticated caller, who can only be on the same machine."""
