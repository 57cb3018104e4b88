"""One coin once, with a price that says where it comes from."""
