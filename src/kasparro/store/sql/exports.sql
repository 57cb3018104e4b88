-- What is read of whole histories, listing by listing, in one snapshot.

-- name: select_named_coins
-- The coins that ids or aliases mean; a merged one is the coin that it became.
SELECT n.name, coalesce(c.merged_into, c.coin_key) AS coin_key
FROM unnest($1::text[]) AS n (name)
JOIN coins AS c ON c.coin_id = n.name OR (c.coin_key = (SELECT a.coin_key FROM coin_aliases AS a WHERE a.alias = n.name)
                                          AND NOT EXISTS (SELECT FROM coins AS o WHERE o.coin_id = n.name));

-- name: select_coin_listings
-- The listings of coins ($1 null: of all), by coin id.
SELECT c.coin_id, l.listing_id, l.source, l.source_id
FROM judgements AS j
JOIN coins AS c USING (coin_key)
JOIN listings AS l USING (listing_id)
WHERE j.verdict = 'same' AND j.superseded_at IS NULL AND ($1::integer[] IS NULL OR j.coin_key = ANY($1))
ORDER BY c.coin_id, l.source, l.source_id;

-- name: select_listing_quotes
-- A listing's quotes from $2 to before $3.
SELECT observed_at, price, market_cap, volume_24h
FROM quotes
WHERE listing_id = $1 AND observed_at >= $2 AND observed_at < $3
ORDER BY observed_at;

-- name: select_listing_hours
-- A listing's hourly candles that open from $2 to before $3.
SELECT opens_at, open, high, low, close, samples, market_cap, volume_24h
FROM candles_hourly
WHERE listing_id = $1 AND opens_at >= $2 AND opens_at < $3
ORDER BY opens_at;

-- name: select_listing_days
-- A listing's daily candles that open from $2 to before $3.
SELECT opens_at, open, high, low, close, samples, market_cap, volume_24h
FROM candles_daily
WHERE listing_id = $1 AND opens_at >= $2 AND opens_at < $3
ORDER BY opens_at;
