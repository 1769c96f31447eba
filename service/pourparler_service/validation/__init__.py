"""What is refused without the state of a negotiation. Pure: no I/O, no clock, no store."""
