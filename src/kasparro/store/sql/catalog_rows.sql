-- What a catalog is made of. All but the first are read in one snapshot, so that a coin's rows belong together.

-- name: select_pulse
-- What every process polls: the published version and whether a run has begun or ended.
SELECT v.version, v.published_at, v.published_run_id,
    (SELECT max(run_id) FROM runs) AS newest_run_id,
    (SELECT run_id FROM runs WHERE open) AS open_run_id
FROM catalog_version v;

-- name: select_published
-- The version that the snapshot's rows belong to.
SELECT version, published_at, published_run_id FROM catalog_version;

-- name: select_priced
-- What lists show of the coins with a price: a row for each of their listings that has a quote, in no order. Lists come joined by commas.
SELECT c.coin_key, c.coin_id, c.symbol, c.name, l.source, l.source_id, l.listing_id = p.listing_id AS chosen,
    p.published_at, p.observed_at, p.value, p.method, array_to_string(p.sources_used, ',') AS sources_used, p.spread_pct, p.confidence,
    array_to_string(p.flags, ',') AS flags, p.market_cap, p.volume_24h
FROM latest_prices p
JOIN coins c USING (coin_key)
JOIN judgements j USING (coin_key)
JOIN listings l ON l.listing_id = j.listing_id
JOIN latest_quotes q ON q.listing_id = j.listing_id
WHERE j.superseded_at IS NULL AND j.verdict = 'same' AND c.merged_into IS NULL;

-- name: select_coin_keys
-- All coins, merged ones included.
SELECT coin_key FROM coins ORDER BY coin_key;

-- name: select_changed_coin_keys
-- Coins of which anything changed after a version, and whether that is no more than the price. latest_prices has no index on it, which
-- would cost each of its HOT updates.
SELECT coin_key, bool_and(is_price) AS only_price
FROM (
    SELECT coin_key, false AS is_price FROM coins WHERE version > $1
    UNION ALL
    SELECT coin_key, false FROM coin_aliases WHERE version > $1
    UNION ALL
    SELECT coin_key, false FROM judgements WHERE version > $1
    UNION ALL
    SELECT coin_key, true FROM latest_prices WHERE version > $1
) AS changed
GROUP BY coin_key
ORDER BY coin_key;

-- name: select_coins
-- Coins with their latest price; lists come joined by commas.
SELECT c.coin_key, c.coin_id, c.symbol, c.name, c.merged_into, c.wraps,
    p.listing_id, p.published_at, p.observed_at, p.value, p.method, array_to_string(p.sources_used, ',') AS sources_used, p.spread_pct,
    p.confidence, array_to_string(p.flags, ',') AS flags, p.market_cap, p.volume_24h
FROM coins c
LEFT JOIN latest_prices p USING (coin_key)
WHERE c.coin_key = ANY($1::integer[]);

-- name: select_coin_listings
-- The live judgements on coins, in no order, with the listing that each is about and its latest quote.
SELECT j.coin_key, j.judgement_id, j.verdict, j.rule, j.confidence, j.evidence::text AS evidence, j.decided_by, j.note, j.created_at,
    l.listing_id, l.source, l.source_id, l.symbol, l.name, l.active,
    q.price, q.market_cap, q.volume_24h, q.observed_at, q.fetched_at
FROM judgements j
JOIN listings l USING (listing_id)
LEFT JOIN latest_quotes q USING (listing_id)
WHERE j.coin_key = ANY($1::integer[]) AND j.superseded_at IS NULL;

-- name: select_prices
-- What stands published for coins; lists come joined by commas.
SELECT coin_key, listing_id, published_at, observed_at, value, method, array_to_string(sources_used, ',') AS sources_used, spread_pct,
    confidence, array_to_string(flags, ',') AS flags, market_cap, volume_24h
FROM latest_prices WHERE coin_key = ANY($1::integer[]);

-- name: select_quotes
-- The latest quotes of the listings that are judged the same as coins.
SELECT q.listing_id, q.price, q.market_cap, q.volume_24h, q.observed_at, q.fetched_at
FROM judgements j
JOIN latest_quotes q USING (listing_id)
WHERE j.coin_key = ANY($1::integer[]) AND j.superseded_at IS NULL AND j.verdict = 'same';

-- name: select_coin_contracts
-- The contracts of the listings that are judged the same as coins, in no order.
SELECT l.listing_id, t.platform, t.address
FROM judgements j
JOIN listings l USING (listing_id)
JOIN listing_contracts t ON t.source = l.source AND t.source_id = l.source_id
WHERE j.coin_key = ANY($1::integer[]) AND j.superseded_at IS NULL AND j.verdict = 'same';

-- name: select_coin_aliases
-- Further ids that resolve to coins. A join, since the table has no index by coin and would be compared with each key.
SELECT a.coin_key, a.alias FROM unnest($1::integer[]) AS k (coin_key) JOIN coin_aliases AS a USING (coin_key) ORDER BY a.alias;
