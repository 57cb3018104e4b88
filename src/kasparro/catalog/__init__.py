"""The read model in memory."""
