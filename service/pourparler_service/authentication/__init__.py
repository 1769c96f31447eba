"""The identity of a caller: bearer tokens, client certificates and their keys."""
