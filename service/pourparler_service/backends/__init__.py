"""The stores: each backend implements the faces of the rooms below in its own way."""
