"""One run: what to ask, fetch, parse, commit, resolve, price, publish."""
