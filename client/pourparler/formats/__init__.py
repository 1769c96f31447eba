"""A record in the formats of others: written entry by entry, and read back row by row.

No format but the bundle proves anything: these are for tools, not for auditors.
"""
