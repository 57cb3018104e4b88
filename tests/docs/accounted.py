"""What of the documents' blocks is not run here, and why. Short on purpose: an entry that no document needs any more fails a test."""

# By the program that a line begins with.
PROGRAMS = {
    "git": "tests/docs/test_clone.py clones the checkout and makes its environment",
    "docker": "there is no engine here; tests/packaging lints Containerfile and compose.yaml, `make image-check` builds and runs the image",
    "sudo": "a test changes nothing of the machine",
}
# By page and first line of the block: what holds no commands.
BLOCKS = {
    ("docs/budget.md", "S = Σ w_i · x_i / 2        with calls at the rate Σ 1 / x_i = r, the pace."): "a formula",
    ("docs/budget.md", "x_i = sqrt(2λ / w_i):      the interval is in proportion to 1 / sqrt(weight)."): "a formula",
    (
        "docs/files.md",
        "id,symbol,name,price_usd,observed_at,market_cap_usd,volume_24h_usd,contracts",
    ): "a file; tests/docs/conftest.py lets the service read it",
}
