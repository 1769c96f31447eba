"""The state of a negotiation, folded from entries, and what follows from it. Pure."""
