"""Proofs, checkpoints, audits, bundles and the trust in what was seen before."""
