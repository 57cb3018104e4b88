-- Prices: what was published for a coin.

-- name: select_latest_prices
-- What stands published for the given coins; lists come joined by commas.
SELECT coin_key, listing_id, observed_at, value, method, array_to_string(sources_used, ',') AS sources_used, spread_pct, confidence,
       array_to_string(flags, ',') AS flags, market_cap, volume_24h
FROM latest_prices WHERE coin_key = ANY($1::integer[]);

-- name: select_turned_stale
-- Coins whose price was observed before a time and does not carry a flag that says so.
SELECT coin_key FROM latest_prices WHERE observed_at < $1 AND NOT ($2 = ANY(flags));

-- name: insert_prices
-- The published history: a row where the value or the listing that it comes from has changed.
INSERT INTO prices (coin_key, listing_id, published_at, observed_at, value, confidence, spread_pct, method)
SELECT u.coin_key, u.listing_id, $8, u.observed_at, u.value, u.confidence, u.spread_pct, u.method
FROM unnest($1::text::integer[], $2::text::integer[], $3::text::timestamptz[], $4::text::float8[], $5::text::float8[], $6::text::float8[],
            $7::text::text[])
    AS u (coin_key, listing_id, observed_at, value, confidence, spread_pct, method)
ON CONFLICT (coin_key, published_at) DO UPDATE
SET listing_id = excluded.listing_id, observed_at = excluded.observed_at, value = excluded.value,
    confidence = excluded.confidence, spread_pct = excluded.spread_pct, method = excluded.method;

-- name: upsert_latest_prices
-- What now stands published. Lists come joined by commas, since arrays of arrays can't be unnested by row.
INSERT INTO latest_prices (coin_key, listing_id, published_at, observed_at, value, method, sources_used, spread_pct, confidence, flags,
                           market_cap, volume_24h, version)
SELECT u.coin_key, u.listing_id, $12, u.observed_at, u.value, u.method, string_to_array(u.sources_used, ','), u.spread_pct, u.confidence,
       string_to_array(u.flags, ','), u.market_cap, u.volume_24h, $13
FROM unnest($1::text::integer[], $2::text::integer[], $3::text::timestamptz[], $4::text::float8[], $5::text::text[], $6::text::text[],
            $7::text::float8[], $8::text::float8[], $9::text::text[], $10::text::float8[], $11::text::float8[])
    AS u (coin_key, listing_id, observed_at, value, method, sources_used, spread_pct, confidence, flags, market_cap, volume_24h)
ON CONFLICT (coin_key) DO UPDATE
SET listing_id = excluded.listing_id, published_at = excluded.published_at, observed_at = excluded.observed_at, value = excluded.value,
    method = excluded.method, sources_used = excluded.sources_used, spread_pct = excluded.spread_pct, confidence = excluded.confidence,
    flags = excluded.flags, market_cap = excluded.market_cap, volume_24h = excluded.volume_24h, version = excluded.version;

-- name: delete_latest_prices
-- Coins that no listing with a quote is any more: nothing stands published for them.
DELETE FROM latest_prices WHERE coin_key = ANY($1::integer[]) RETURNING coin_key;

-- name: select_hourly_prices
-- What the coins that are traded most ($1 of them, and as many of those that carry the flag $2) cost since $3: the last price of each
-- hour, UTC, oldest first.
WITH chosen AS (
    (SELECT coin_key FROM latest_prices ORDER BY volume_24h DESC NULLS LAST, coin_key LIMIT $1)
    UNION
    (SELECT coin_key FROM latest_prices WHERE $2 = ANY(flags) ORDER BY volume_24h DESC NULLS LAST, coin_key LIMIT $1)
)
SELECT c.coin_id, p.hour, p.value, p.spread_pct
FROM chosen JOIN coins AS c USING (coin_key), LATERAL (
    SELECT DISTINCT ON (date_trunc('hour', h.published_at, 'UTC')) date_trunc('hour', h.published_at, 'UTC') AS hour, h.value, h.spread_pct
    FROM prices AS h WHERE h.coin_key = chosen.coin_key AND h.published_at >= $3
    ORDER BY date_trunc('hour', h.published_at, 'UTC'), h.published_at DESC
) AS p
ORDER BY c.coin_id, p.hour;
