"""What a coin costs, chosen from its quotes. Pure."""
