"""One negotiation, loaded from its entries: aggregate, snapshots and copies in memory."""
