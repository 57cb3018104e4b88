"""Which listings are the same coin, by evidence. Pure."""
