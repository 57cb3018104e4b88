-- Coins, their aliases and the judgements that listings are them.

-- name: next_version
-- Take the next catalog version; its row stays locked until the publication commits.
UPDATE catalog_version SET version = version + 1, published_at = $1 RETURNING version;

-- name: mark_published
-- All quotes of runs up to $1 are in the prices.
UPDATE catalog_version SET published_run_id = $1 WHERE published_run_id <> $1;

-- name: select_version
-- The catalog version and the last run whose quotes are all in the prices.
SELECT version, published_at, published_run_id FROM catalog_version;

-- name: select_coins
-- Coins in the order in which they were made, from after $1 on.
SELECT c.coin_key, c.coin_id, c.symbol, c.name, m.coin_id AS merged_into, w.coin_id AS wraps, c.founder
FROM coins AS c LEFT JOIN coins AS m ON m.coin_key = c.merged_into LEFT JOIN coins AS w ON w.coin_key = c.wraps
WHERE c.coin_key > $1 ORDER BY c.coin_key LIMIT $2;

-- name: insert_missing_coins
-- Mint coins; one that exists is left alone.
INSERT INTO coins (coin_id, symbol, name, founder, created_at, version)
SELECT u.coin_id, u.symbol, u.name, u.founder, $5, $6
FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[]) WITH ORDINALITY AS u (coin_id, symbol, name, founder, place)
WHERE NOT EXISTS (SELECT FROM coins AS c WHERE c.coin_id = u.coin_id)
ORDER BY u.place;

-- name: update_changed_coins
-- Take over another symbol or name, merges, and what a coin wraps.
UPDATE coins AS c
SET symbol = u.symbol, name = u.name, merged_into = m.coin_key, wraps = w.coin_key, version = $6
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS u (coin_id, symbol, name, merged_into, wraps)
LEFT JOIN coins AS m ON m.coin_id = u.merged_into
LEFT JOIN coins AS w ON w.coin_id = u.wraps
WHERE c.coin_id = u.coin_id
  AND (c.symbol, c.name, c.merged_into, c.wraps) IS DISTINCT FROM (u.symbol, u.name, m.coin_key, w.coin_key);

-- name: delete_aliases_that_became_coins
-- A coin's own id is no alias.
DELETE FROM coin_aliases AS a USING unnest($1::text[]) AS u (coin_id) WHERE a.alias = u.coin_id;

-- name: upsert_aliases
-- Let the source ids of the given listings resolve to their coins, where they are no coin's own id.
INSERT INTO coin_aliases AS a (alias, coin_key, version)
SELECT DISTINCT ON (l.source_id) l.source_id, j.coin_key, $2
FROM judgements AS j
JOIN listings AS l ON l.listing_id = j.listing_id
WHERE j.listing_id = ANY($1::integer[]) AND j.verdict = 'same' AND j.superseded_at IS NULL
  AND NOT EXISTS (SELECT FROM coins AS c WHERE c.coin_id = l.source_id)
ORDER BY l.source_id, l.source
ON CONFLICT (alias) DO UPDATE SET coin_key = excluded.coin_key, version = excluded.version WHERE a.coin_key <> excluded.coin_key;

-- name: select_live_judgements
-- The judgements that stand, in the order of their ids, from after $1 on.
SELECT j.judgement_id, j.listing_id, c.coin_id, j.verdict, j.rule, j.confidence, j.evidence, j.decided_by
FROM judgements AS j JOIN coins AS c ON c.coin_key = j.coin_key
WHERE j.superseded_at IS NULL AND j.judgement_id > $1
ORDER BY j.judgement_id LIMIT $2;

-- name: supersede_judgements
-- Judgements that no longer stand; they stay, with the time. Answers the coins that they were about.
UPDATE judgements SET superseded_at = $2, version = $3
WHERE judgement_id = ANY($1::bigint[]) AND superseded_at IS NULL
RETURNING coin_key;

-- name: insert_judgements
-- New judgements. Answers the coins that they are about.
INSERT INTO judgements (listing_id, coin_key, verdict, rule, confidence, evidence, decided_by, created_at, version)
SELECT u.listing_id, c.coin_key, u.verdict, u.rule, u.confidence, u.evidence::jsonb, u.decided_by, $8, $9
FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::text[])
    WITH ORDINALITY AS u (listing_id, coin_id, verdict, rule, confidence, evidence, decided_by, place)
JOIN coins AS c ON c.coin_id = u.coin_id
ORDER BY u.place
RETURNING coin_key;

-- name: analyze_identity
-- Let the planner know what has just been written in bulk: its guesses about new tables read all of latest_quotes per call.
-- unprepared: a utility statement
ANALYZE listings, coins, judgements, latest_quotes, latest_prices;
