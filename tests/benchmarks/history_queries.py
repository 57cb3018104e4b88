"""What the benchmark of history fills its database with. What it asks are the service's own queries."""

MARKET = (
    """INSERT INTO listings (source, source_id, symbol, name, active, first_seen_at, last_seen_at)
    SELECT CASE WHEN n <= {often} THEN 'coinpaprika' ELSE 'coingecko' END, 'made-' || n, 'M' || n, 'Made Coin ' || n, true, now(), now()
    FROM generate_series(1, {listings}) AS n""",
    """INSERT INTO coins (coin_id, symbol, name, founder, created_at, version)
    SELECT source_id, symbol, name, listing_id, now(), 1 FROM listings ORDER BY listing_id""",
    """INSERT INTO judgements (listing_id, coin_key, verdict, rule, confidence, evidence, created_at, version)
    SELECT founder, coin_key, 'same', 'own', 1, '{{}}', now(), 1 FROM coins""",
    """INSERT INTO latest_quotes (listing_id, run_id, observed_at, price, market_cap, volume_24h, fetched_at, recorded_at, raw)
    SELECT listing_id, 1, '2026-11-01', 1, 1e9, 1e6, now(), now(), json_build_object('id', source_id, 'text', repeat('x', 700))
    FROM listings""",
    """INSERT INTO latest_prices (coin_key, listing_id, published_at, observed_at, value, method, sources_used, confidence, flags, version)
    SELECT coin_key, founder, now(), '2026-11-01', 1, 'only', ARRAY['coingecko'], 0.6, ARRAY['single_source'], 1 FROM coins""",
)

# $1 the day's begin, $2 and $3 how many listings are quoted often and how many there are, $4 and $5 how often each is, in seconds.
_A_DAY = """
    FROM generate_series(0, 86399, $4) AS s, LATERAL (
        SELECT n FROM generate_series(1, $2) AS n
        UNION ALL
        -- The seldom ones come in turns, each in the first run after its time.
        SELECT n FROM generate_series($2 + 1, $3) AS n WHERE (s + n * 7919) % ($5 / $4 * $4) < $4
    ) AS due"""
QUOTES_OF_A_DAY = f"""
    INSERT INTO quotes (listing_id, run_id, observed_at, price, market_cap, volume_24h, fetched_at, recorded_at)
    SELECT n, 1, $1::timestamptz + make_interval(secs => s), 1 + n * random(), 1e12 * random(), 1e9 * random(),
        $1::timestamptz + make_interval(secs => s + 60), $1::timestamptz + make_interval(secs => s + 61) {_A_DAY}"""
PRICES_OF_A_DAY = f"""
    INSERT INTO prices (coin_key, listing_id, published_at, observed_at, value, confidence, spread_pct, method)
    SELECT n, n, $1::timestamptz + make_interval(secs => s + 61), $1::timestamptz + make_interval(secs => s), 1 + n * random(), 0.9,
        random(), 'newest' {_A_DAY}"""
DAILY = """
    INSERT INTO candles_daily (listing_id, opens_at, open, high, low, close, samples, market_cap, volume_24h)
    SELECT n, $1::timestamptz + make_interval(days => d), 2, 3, 1, 1 + random(), 288, 1e12 * random(), 1e9 * random()
    FROM generate_series(-335, 29) AS d, generate_series(1, $2) AS n"""
HOURLY_OF_A_DAY = """
    INSERT INTO candles_hourly (listing_id, opens_at, open, high, low, close, samples, market_cap, volume_24h)
    SELECT n, $1::timestamptz + make_interval(hours => h), 2, 3, 1, 1 + random(), 12, 1e12 * random(), 1e9 * random()
    FROM generate_series(0, 23) AS h, generate_series(1, $2) AS n"""

# A partitioned table's own size is nothing: that of its parts is meant. A table that is not has no parts.
BYTES = """SELECT coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree($1::text::regclass)),
    pg_total_relation_size($1::text::regclass))"""
