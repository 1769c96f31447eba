"""The log of each negotiation: checkpoints, proofs, signing keys and cosignatures."""
