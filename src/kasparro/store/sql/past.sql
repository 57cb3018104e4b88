-- What sources told of the past afterwards. Nothing that is there is ever replaced by it, but a candle of fewer samples.

-- name: insert_past_quotes
-- Quotes of a listing that are not there yet, as of no run; the times of those that were written.
INSERT INTO quotes (listing_id, run_id, observed_at, price, market_cap, volume_24h, fetched_at, recorded_at)
SELECT $1, 0, u.observed_at, u.price, u.market_cap, u.volume_24h, $6, $7
FROM unnest($2::timestamptz[], $3::float8[], $4::float8[], $5::float8[]) AS u (observed_at, price, market_cap, volume_24h)
ON CONFLICT DO NOTHING
RETURNING observed_at;

-- name: insert_past_days
-- Daily candles of a listing, out of its points; one that is there stays unless it was made from fewer. Answers those that were written.
INSERT INTO candles_daily AS c (listing_id, opens_at, open, high, low, close, samples, market_cap, volume_24h)
SELECT $1, date_bin('24 hours', u.observed_at, '2000-01-01 00:00:00+00') AS opens_at,
       (array_agg(u.price ORDER BY u.observed_at))[1], max(u.price), min(u.price),
       (array_agg(u.price ORDER BY u.observed_at DESC))[1], count(*)::integer,
       (array_agg(u.market_cap ORDER BY u.observed_at DESC))[1], (array_agg(u.volume_24h ORDER BY u.observed_at DESC))[1]
FROM unnest($2::timestamptz[], $3::float8[], $4::float8[], $5::float8[]) AS u (observed_at, price, market_cap, volume_24h)
GROUP BY opens_at
ON CONFLICT (listing_id, opens_at) DO UPDATE
SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, samples = excluded.samples,
    market_cap = excluded.market_cap, volume_24h = excluded.volume_24h
WHERE excluded.samples > c.samples
RETURNING c.opens_at;
