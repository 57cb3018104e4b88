-- A coin's series, read through the listings that are judged `same` as it ($1). In each span the listing with the most samples speaks.
-- Every query answers at most $4 rows, oldest first.

-- name: select_quotes
-- Raw rows from $2 on and before $3: every quote of each listing.
SELECT observed_at AS at, listing_id, price, market_cap, volume_24h, 1 AS samples
FROM quotes
WHERE listing_id = ANY($1::integer[]) AND observed_at >= $2 AND observed_at < $3
ORDER BY observed_at, listing_id
LIMIT $4;

-- name: select_spans
-- The last raw row of each span of $5 seconds.
SELECT DISTINCT ON (s.at) s.at, s.listing_id, s.price, s.market_cap, s.volume_24h, s.samples
FROM (
    SELECT date_bin(make_interval(secs => $5), observed_at, '2000-01-01 00:00:00+00') AS at, listing_id, count(*)::integer AS samples,
           (array_agg(price ORDER BY observed_at))[count(*)] AS price,
           (array_agg(market_cap ORDER BY observed_at))[count(*)] AS market_cap,
           (array_agg(volume_24h ORDER BY observed_at))[count(*)] AS volume_24h
    FROM quotes
    WHERE listing_id = ANY($1::integer[]) AND observed_at >= $2 AND observed_at < $3
    GROUP BY 1, listing_id
) AS s
ORDER BY s.at, s.samples DESC, s.listing_id
LIMIT $4;

-- name: select_hourly_candles
-- Candles of the hours that open from $2 on and before $3.
SELECT DISTINCT ON (opens_at) opens_at, listing_id, open, high, low, close, samples, market_cap, volume_24h
FROM candles_hourly
WHERE listing_id = ANY($1::integer[]) AND opens_at >= $2 AND opens_at < $3
ORDER BY opens_at, samples DESC, listing_id
LIMIT $4;

-- name: select_daily_candles
-- Candles of the days that open from $2 on and before $3.
SELECT DISTINCT ON (opens_at) opens_at, listing_id, open, high, low, close, samples, market_cap, volume_24h
FROM candles_daily
WHERE listing_id = ANY($1::integer[]) AND opens_at >= $2 AND opens_at < $3
ORDER BY opens_at, samples DESC, listing_id
LIMIT $4;

-- name: has_rates
-- Whether there is any rate of a currency.
SELECT EXISTS (SELECT FROM exchange_rates WHERE currency = $1);

-- name: select_rates
-- For each of the given times the last rate of a currency from before it, whichever of the sources ($3) said it.
SELECT r.source, r.observed_at, r.per_usd
FROM unnest($2::timestamptz[]) WITH ORDINALITY AS t (before, place)
LEFT JOIN LATERAL (
    SELECT s.source, one.observed_at, one.per_usd
    FROM unnest($3::text[]) AS s (source)
    CROSS JOIN LATERAL (
        SELECT e.observed_at, e.per_usd FROM exchange_rates AS e
        WHERE e.currency = $1 AND e.source = s.source AND e.observed_at < t.before
        ORDER BY e.observed_at DESC LIMIT 1
    ) AS one
    ORDER BY one.observed_at DESC LIMIT 1
) AS r ON true
ORDER BY t.place;

-- name: select_recent_closes
-- Of several coins, as listings ($1) with their coins ($2), the closes of the hours that open from $3 on: a row for each coin.
SELECT s.coin_key, array_agg(s.opens_at ORDER BY s.opens_at) AS opens_at, array_agg(s.close ORDER BY s.opens_at) AS closes
FROM (
    SELECT DISTINCT ON (l.coin_key, c.opens_at) l.coin_key, c.opens_at, c.close
    FROM unnest($1::integer[], $2::integer[]) AS l (listing_id, coin_key)
    JOIN candles_hourly AS c ON c.listing_id = l.listing_id
    WHERE c.opens_at >= $3
    ORDER BY l.coin_key, c.opens_at, c.samples DESC, c.listing_id
) AS s
GROUP BY s.coin_key;
