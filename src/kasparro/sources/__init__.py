"""The upstream providers: what to ask them and what their answers mean."""
