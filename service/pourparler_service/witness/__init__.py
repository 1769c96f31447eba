"""The witness program: it cosigns checkpoints that extend what it has seen."""
