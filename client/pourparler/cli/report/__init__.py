"""A negotiation as one self-contained page. Only its command works without the extra."""
