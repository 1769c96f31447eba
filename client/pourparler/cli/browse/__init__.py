"""A full-screen reader of negotiations in the terminal. Only its launch works without textual."""
