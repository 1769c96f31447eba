"""The rules that refuse a draft by the state of its negotiation. Pure: no I/O, no clock."""
