"""The write path: queue, decision, one commit for each batch, imports and erasures."""
