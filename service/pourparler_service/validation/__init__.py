"""The checks that need no state of a negotiation. Pure: no I/O, no clock, no store."""
