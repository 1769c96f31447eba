"""What is stored: the faces of each store with their guarantees, and the codecs of the bytes."""
