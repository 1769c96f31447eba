"""The faces of the stores with their guarantees, and the codecs of the stored bytes."""
