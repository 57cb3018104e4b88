-- Quotes: what a source said a listing costs, at its own time.

-- name: insert_quotes
-- Insert quotes and advance the newest one of each listing. The same observed_at with other values is revised in place.
-- Answers how many rows are new (recorded_at is only set by an insert) and revised and which these are, and which listings have a newer
-- quote or a first.
-- Quotes from before $10 are older than what is kept: they count only as the newest. A first quote is news to identity.
-- With $14 the answer is an old one, which revises nothing that was said later.
WITH incoming AS (
    SELECT l.listing_id, u.*
    FROM unnest($2::text::text[], $3::text::timestamptz[], $4::text::float8[], $5::text::float8[], $6::text::float8[], $7::text::float8[],
                $8::text::timestamptz[], $9::text[])
        AS u (source_id, observed_at, price, market_cap, volume_24h, ath_price, ath_at, raw)
    JOIN listings AS l ON l.source = $1 AND l.source_id = u.source_id
), first AS (
    UPDATE listings AS l SET evidence_run_id = $11
    FROM incoming AS i
    WHERE l.listing_id = i.listing_id AND NOT EXISTS (SELECT FROM latest_quotes AS q WHERE q.listing_id = i.listing_id)
    RETURNING l.listing_id
), written AS (
    INSERT INTO quotes (listing_id, run_id, observed_at, price, market_cap, volume_24h, fetched_at, recorded_at)
    SELECT listing_id, $11, observed_at, price, market_cap, volume_24h, $12, $13 FROM incoming WHERE observed_at >= $10
    ON CONFLICT (listing_id, observed_at) DO UPDATE
    SET run_id = excluded.run_id, price = excluded.price, market_cap = excluded.market_cap, volume_24h = excluded.volume_24h,
        fetched_at = excluded.fetched_at
    WHERE (quotes.price, quotes.market_cap, quotes.volume_24h) IS DISTINCT FROM (excluded.price, excluded.market_cap, excluded.volume_24h)
      AND (NOT $14 OR excluded.fetched_at >= quotes.fetched_at)
    RETURNING listing_id, observed_at, recorded_at = $13 AS is_new
), newest AS (
    INSERT INTO latest_quotes AS q
        (listing_id, run_id, observed_at, price, market_cap, volume_24h, ath_price, ath_at, fetched_at, recorded_at, raw)
    SELECT listing_id, $11, observed_at, price, market_cap, volume_24h, ath_price, ath_at, $12, $13, raw::json FROM incoming
    ON CONFLICT (listing_id) DO UPDATE
    SET run_id = excluded.run_id, observed_at = excluded.observed_at, price = excluded.price, market_cap = excluded.market_cap,
        volume_24h = excluded.volume_24h, ath_price = excluded.ath_price, ath_at = excluded.ath_at, fetched_at = excluded.fetched_at,
        recorded_at = excluded.recorded_at, raw = excluded.raw
    WHERE excluded.observed_at > q.observed_at
       OR (excluded.observed_at = q.observed_at AND (NOT $14 OR excluded.fetched_at >= q.fetched_at)
           AND (q.price, q.market_cap, q.volume_24h, q.ath_price, q.ath_at)
               IS DISTINCT FROM (excluded.price, excluded.market_cap, excluded.volume_24h, excluded.ath_price, excluded.ath_at))
    RETURNING listing_id
)
SELECT (SELECT count(*) FROM written WHERE is_new)::integer AS inserted,
       (SELECT count(*) FROM written WHERE NOT is_new)::integer AS revised,
       (SELECT array_agg(listing_id) FROM newest) AS listing_ids,
       (SELECT array_agg(listing_id) FROM first) AS first_ids,
       (SELECT array_agg(listing_id) FROM written) AS written_ids,
       (SELECT array_agg(observed_at) FROM written) AS written_at;

-- name: select_courses
-- The course of the given listings' prices from $2 on: the last quote of each hour, oldest first.
SELECT listing_id, array_agg(extract(epoch FROM observed_at)::float8 ORDER BY observed_at) AS times, array_agg(price ORDER BY observed_at) AS prices
FROM (
    SELECT DISTINCT ON (listing_id, date_bin('1 hour', observed_at, '2000-01-01 00:00:00+00')) listing_id, observed_at, price
    FROM quotes WHERE listing_id = ANY($1::integer[]) AND observed_at >= $2
    ORDER BY listing_id, date_bin('1 hour', observed_at, '2000-01-01 00:00:00+00'), observed_at DESC
) AS hourly
GROUP BY listing_id;

-- name: insert_rates
-- Exchange rates as a source gave them at a time.
INSERT INTO exchange_rates AS r (source, currency, observed_at, per_usd)
SELECT $1, u.currency, $2, u.per_usd FROM unnest($3::text::text[], $4::text::float8[]) AS u (currency, per_usd)
ON CONFLICT (currency, source, observed_at) DO UPDATE SET per_usd = excluded.per_usd WHERE r.per_usd <> excluded.per_usd
RETURNING currency;

-- name: select_coins_since_run
-- The coins that have a newest quote of a run from $1 on.
SELECT DISTINCT j.coin_key
FROM latest_quotes AS q
JOIN judgements AS j ON j.listing_id = q.listing_id AND j.verdict = 'same' AND j.superseded_at IS NULL
WHERE q.run_id >= $1;

-- name: select_quotes_of_coins
-- The newest quotes of the listings judged `same` as the given coins.
SELECT j.coin_key, l.source, q.listing_id, q.price, q.observed_at, q.market_cap, q.volume_24h
FROM judgements AS j
JOIN latest_quotes AS q ON q.listing_id = j.listing_id
JOIN listings AS l ON l.listing_id = q.listing_id
WHERE j.coin_key = ANY($1::integer[]) AND j.verdict = 'same' AND j.superseded_at IS NULL;

-- name: select_coins_of_listings
-- The coins that the given listings are judged `same` as.
SELECT DISTINCT coin_key FROM judgements
WHERE listing_id = ANY($1::integer[]) AND verdict = 'same' AND superseded_at IS NULL
ORDER BY coin_key;

-- name: select_told_numbers
-- A number from the newest row of each listing ($1) as its source sent it, by its path there ($2, like {quotes,USD,price}); null without.
SELECT w.listing_id, CASE WHEN json_typeof(q.raw #> w.path::text[]) = 'number' THEN (q.raw #>> w.path::text[])::float8 END AS number
FROM unnest($1::integer[], $2::text[]) AS w (listing_id, path)
JOIN latest_quotes AS q USING (listing_id);
