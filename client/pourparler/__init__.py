"""Pourparler: the record of a negotiation, kept, asked and replayed."""
