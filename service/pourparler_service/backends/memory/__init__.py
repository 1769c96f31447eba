"""The memory backend: a record that ends with its process, for tests and for trying things out."""
