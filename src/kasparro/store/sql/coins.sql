-- Coins, their aliases and the judgements that listings are them.

-- name: next_version
-- Take the next catalog version; its row stays locked until the publication commits.
UPDATE catalog_version SET version = version + 1, published_at = $1 RETURNING version;

-- name: mark_published
-- All quotes of runs up to $1 are in the prices.
UPDATE catalog_version SET published_run_id = $1 WHERE published_run_id <> $1;

-- name: touch_coins
-- Of the coins that listings are, something is told otherwise from version $2 on.
UPDATE coins AS c SET version = $2
FROM judgements AS j
WHERE j.listing_id = ANY($1::integer[]) AND j.verdict = 'same' AND j.superseded_at IS NULL
  AND c.coin_key = j.coin_key AND c.version < $2;

-- name: select_state
-- The catalog version, the last run whose quotes are all in the prices, and the rules that everything was judged by.
SELECT version, published_run_id, rules FROM catalog_version;

-- name: set_rules
-- Everything was judged by these rules, with all lists complete.
UPDATE catalog_version SET rules = $1;

-- name: select_coins
-- Coins in the order in which they were made, from after $1 on.
SELECT c.coin_key, c.coin_id, c.symbol, c.name, m.coin_id AS merged_into, w.coin_id AS wraps, c.founder
FROM coins AS c LEFT JOIN coins AS m ON m.coin_key = c.merged_into LEFT JOIN coins AS w ON w.coin_key = c.wraps
WHERE c.coin_key > $1 ORDER BY c.coin_key LIMIT $2;

-- name: select_coins_around
-- Coins that matter where the given listings ($1) are judged: those that they are judged to be or not to be, that they founded, or
-- that are called as a new one of theirs might be ($2); and those that any of these became by merging.
WITH RECURSIVE around AS (
    SELECT coin_key FROM judgements WHERE listing_id = ANY($1::integer[]) AND superseded_at IS NULL
    UNION
    SELECT coin_key FROM coins WHERE founder = ANY($1::integer[])
    UNION
    SELECT coin_key FROM coins WHERE coin_id = ANY($2::text[])
), found AS (
    SELECT coin_key FROM around
    UNION
    SELECT c.merged_into FROM found JOIN coins AS c USING (coin_key) WHERE c.merged_into IS NOT NULL
)
SELECT c.coin_key, c.coin_id, c.symbol, c.name, m.coin_id AS merged_into, w.coin_id AS wraps, c.founder
FROM found JOIN coins AS c USING (coin_key)
LEFT JOIN coins AS m ON m.coin_key = c.merged_into LEFT JOIN coins AS w ON w.coin_key = c.wraps
ORDER BY c.coin_key;

-- name: select_living_coin
-- The id of the coin that an id or an alias means, merges followed.
WITH RECURSIVE found AS (
    SELECT coin_key FROM coins WHERE coin_id = $1
    UNION
    SELECT coin_key FROM coin_aliases WHERE alias = $1 AND NOT EXISTS (SELECT FROM coins WHERE coin_id = $1)
    UNION
    SELECT c.merged_into FROM found JOIN coins AS c USING (coin_key) WHERE c.merged_into IS NOT NULL
)
SELECT c.coin_id FROM found JOIN coins AS c USING (coin_key) WHERE c.merged_into IS NULL;

-- name: select_members
-- The listings that are judged to be a coin.
SELECT j.listing_id FROM coins AS c JOIN judgements AS j USING (coin_key)
WHERE c.coin_id = $1 AND j.verdict = 'same' AND j.superseded_at IS NULL ORDER BY j.listing_id;

-- name: select_coin_of_listing
-- The coin that a listing is judged to be.
SELECT c.coin_id FROM judgements AS j JOIN coins AS c USING (coin_key)
WHERE j.listing_id = $1 AND j.verdict = 'same' AND j.superseded_at IS NULL;

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
SELECT j.judgement_id, j.listing_id, c.coin_id, j.verdict, j.rule, j.confidence, j.evidence::text AS evidence, j.decided_by, j.note
FROM judgements AS j JOIN coins AS c ON c.coin_key = j.coin_key
WHERE j.superseded_at IS NULL AND j.judgement_id > $1
ORDER BY j.judgement_id LIMIT $2;

-- name: select_judgements_around
-- The judgements that stand on the given listings, and every `same` of the given coins ($2, by id).
SELECT j.judgement_id, j.listing_id, c.coin_id, j.verdict, j.rule, j.confidence, j.evidence::text AS evidence, j.decided_by, j.note
FROM judgements AS j JOIN coins AS c ON c.coin_key = j.coin_key
WHERE j.superseded_at IS NULL AND j.listing_id = ANY($1::integer[])
UNION ALL
SELECT j.judgement_id, j.listing_id, c.coin_id, j.verdict, j.rule, j.confidence, j.evidence::text AS evidence, j.decided_by, j.note
FROM coins AS c JOIN judgements AS j ON j.coin_key = c.coin_key AND j.superseded_at IS NULL AND j.verdict = 'same'
WHERE c.coin_id = ANY($2::text[]) AND NOT j.listing_id = ANY($1::integer[]);

-- name: select_open_questions
-- Listings on which a judgement is unsure, and those of the coins that they may be, where both have a quote from $1 on.
SELECT DISTINCT unnest(ARRAY[j.listing_id, s.listing_id]) AS listing_id
FROM judgements AS j
JOIN latest_quotes AS q ON q.listing_id = j.listing_id AND q.observed_at >= $1
JOIN judgements AS s ON s.coin_key = j.coin_key AND s.verdict = 'same' AND s.superseded_at IS NULL
JOIN latest_quotes AS r ON r.listing_id = s.listing_id AND r.observed_at >= $1
WHERE j.verdict = 'unsure' AND j.superseded_at IS NULL;

-- name: select_judgement
-- One judgement by its id.
SELECT j.listing_id, c.coin_id, j.verdict, j.decided_by, j.note, j.superseded_at
FROM judgements AS j JOIN coins AS c ON c.coin_key = j.coin_key WHERE j.judgement_id = $1;

-- name: select_contradiction
-- A judgement by a person that listing $1 differs from one of the listings $2, said of either and not of the coin $3 itself.
SELECT j.judgement_id FROM judgements AS j JOIN coins AS c USING (coin_key)
WHERE j.superseded_at IS NULL AND j.decided_by = 'person' AND j.verdict = 'different'
  AND ((j.listing_id = ANY($2::integer[]) AND j.evidence -> 'listings' @> to_jsonb($1::integer))
       OR (j.listing_id = $1 AND c.coin_id <> $3
           AND EXISTS (SELECT FROM jsonb_array_elements(j.evidence -> 'listings') AS e (other) WHERE e.other::integer = ANY($2::integer[]))))
ORDER BY j.judgement_id LIMIT 1;

-- name: supersede_pair
-- A person speaks on a listing and a coin: what was said of the two, or where the listing was, no longer stands.
UPDATE judgements SET superseded_at = $3, version = $4
WHERE listing_id = $1 AND superseded_at IS NULL
  AND (coin_key = (SELECT coin_key FROM coins WHERE coin_id = $2) OR ($5 AND verdict = 'same'))
RETURNING coin_key;

-- name: supersede_judgements
-- Judgements that no longer stand; they stay, with the time. Answers the coins that they were about.
UPDATE judgements SET superseded_at = $2, version = $3
WHERE judgement_id = ANY($1::bigint[]) AND superseded_at IS NULL
RETURNING coin_key;

-- name: insert_judgements
-- New judgements. Answers the coins that they are about.
INSERT INTO judgements (listing_id, coin_key, verdict, rule, confidence, evidence, decided_by, note, created_at, version)
SELECT u.listing_id, c.coin_key, u.verdict, u.rule, u.confidence, u.evidence::jsonb, u.decided_by, u.note, $9, $10
FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::text[], $8::text[])
    WITH ORDINALITY AS u (listing_id, coin_id, verdict, rule, confidence, evidence, decided_by, note, place)
JOIN coins AS c ON c.coin_id = u.coin_id
ORDER BY u.place
RETURNING judgement_id, coin_key;

-- name: analyze_identity
-- Let the planner know what has just been written in bulk: its guesses about new tables read all of latest_quotes per call.
-- unprepared: a utility statement
ANALYZE listings, listing_contracts, coins, coin_aliases, judgements, latest_quotes, latest_prices;
