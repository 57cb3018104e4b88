-- Candles per listing: by the hour, counted from raw rows; by the day, counted from the hours. Both open on the hour or day of UTC,
-- whatever the session's time zone: date_bin and spans in hours know none.

-- name: roll_up_hours
-- Recount the candles of the hours that hold the given rows (a listing with an observed_at each), all from $3 on and before $4.
-- A candle never loses samples: raw rows are only dropped by the day, and then the candle knows more than they.
INSERT INTO candles_hourly AS c (listing_id, opens_at, open, high, low, close, samples, market_cap, volume_24h)
SELECT t.listing_id, t.opens_at, r.open, r.high, r.low, r.close, r.samples, r.market_cap, r.volume_24h
FROM (
    SELECT DISTINCT u.listing_id, date_bin('1 hour', u.observed_at, '2000-01-01 00:00:00+00') AS opens_at
    FROM unnest($1::text::integer[], $2::text::timestamptz[]) AS u (listing_id, observed_at)
) AS t
CROSS JOIN LATERAL (
    SELECT (array_agg(q.price ORDER BY q.observed_at))[1] AS open, max(q.price) AS high, min(q.price) AS low,
           (array_agg(q.price ORDER BY q.observed_at))[count(*)] AS close, count(*)::integer AS samples,
           (array_agg(q.market_cap ORDER BY q.observed_at))[count(*)] AS market_cap,
           (array_agg(q.volume_24h ORDER BY q.observed_at))[count(*)] AS volume_24h
    FROM quotes AS q
    WHERE q.listing_id = t.listing_id AND q.observed_at >= t.opens_at AND q.observed_at < t.opens_at + interval '1 hour'
      AND q.observed_at >= $3 AND q.observed_at < $4
) AS r
WHERE r.samples > 0
ON CONFLICT (listing_id, opens_at) DO UPDATE
SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, samples = excluded.samples,
    market_cap = excluded.market_cap, volume_24h = excluded.volume_24h
WHERE excluded.samples >= c.samples;

-- name: roll_up_days
-- The same for the days that hold the given rows, from the candles of their hours.
INSERT INTO candles_daily AS c (listing_id, opens_at, open, high, low, close, samples, market_cap, volume_24h)
SELECT t.listing_id, t.opens_at, r.open, r.high, r.low, r.close, r.samples, r.market_cap, r.volume_24h
FROM (
    SELECT DISTINCT u.listing_id, date_bin('24 hours', u.observed_at, '2000-01-01 00:00:00+00') AS opens_at
    FROM unnest($1::text::integer[], $2::text::timestamptz[]) AS u (listing_id, observed_at)
) AS t
CROSS JOIN LATERAL (
    SELECT (array_agg(h.open ORDER BY h.opens_at))[1] AS open, max(h.high) AS high, min(h.low) AS low,
           (array_agg(h.close ORDER BY h.opens_at))[count(*)] AS close, sum(h.samples)::integer AS samples,
           (array_agg(h.market_cap ORDER BY h.opens_at))[count(*)] AS market_cap,
           (array_agg(h.volume_24h ORDER BY h.opens_at))[count(*)] AS volume_24h
    FROM candles_hourly AS h
    WHERE h.listing_id = t.listing_id AND h.opens_at >= t.opens_at AND h.opens_at < t.opens_at + interval '24 hours'
      AND h.opens_at >= $3 AND h.opens_at < $4
) AS r
WHERE r.samples > 0
ON CONFLICT (listing_id, opens_at) DO UPDATE
SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, samples = excluded.samples,
    market_cap = excluded.market_cap, volume_24h = excluded.volume_24h
WHERE excluded.samples >= c.samples;

-- name: lacks_candles
-- Whether there are raw rows from $1 on and before $2, and no candle.
SELECT EXISTS (SELECT FROM quotes WHERE observed_at >= $1 AND observed_at < $2)
   AND NOT EXISTS (SELECT FROM candles_hourly WHERE opens_at >= $1 AND opens_at < $2);

-- name: select_hours_quoted
-- The listings and hours that have raw rows from $1 on and before $2, of the next $4 listings after $3.
WITH RECURSIVE next AS (
    (SELECT listing_id, 1 AS number FROM quotes WHERE listing_id > $3 AND observed_at >= $1 AND observed_at < $2 ORDER BY listing_id LIMIT 1)
    UNION ALL
    SELECT (SELECT q.listing_id FROM quotes AS q WHERE q.listing_id > n.listing_id AND q.observed_at >= $1 AND q.observed_at < $2
            ORDER BY q.listing_id LIMIT 1), n.number + 1
    FROM next AS n WHERE n.listing_id IS NOT NULL AND n.number < $4
)
SELECT DISTINCT q.listing_id, date_bin('1 hour', q.observed_at, '2000-01-01 00:00:00+00') AS opens_at
FROM next AS n
JOIN quotes AS q ON q.listing_id = n.listing_id AND q.observed_at >= $1 AND q.observed_at < $2
ORDER BY q.listing_id, opens_at;
