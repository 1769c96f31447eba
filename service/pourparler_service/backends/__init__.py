"""The stores: one package for each database. Only the composition root imports them."""
