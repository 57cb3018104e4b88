-- What has become of coins: written by every publication, in its transaction, and read by those who follow.

-- name: select_presence
-- Coins whose listings changed in runs from $1 on and that other sources list than was told; and those that fell quiet or are heard of
-- again, with that. A coin falls quiet when its price is from before $2 and its source has quoted others $3 later than it: an outage,
-- in which nobody is quoted, silences nobody. `newest` is looked at only where a coin may have fallen quiet.
WITH newest AS MATERIALIZED (
    SELECT l.source, max(p.observed_at) AS observed_at FROM latest_prices AS p JOIN listings AS l USING (listing_id) GROUP BY l.source
), concerned AS (
    SELECT DISTINCT j.coin_key FROM listings AS l JOIN judgements AS j USING (listing_id)
    WHERE l.evidence_run_id >= $1 AND j.verdict = 'same' AND j.superseded_at IS NULL
), listed AS (
    SELECT j.coin_key, array_agg(DISTINCT l.source ORDER BY l.source) FILTER (WHERE l.active) AS sources
    FROM concerned JOIN judgements AS j USING (coin_key) JOIN listings AS l USING (listing_id)
    WHERE j.verdict = 'same' AND j.superseded_at IS NULL
    GROUP BY j.coin_key
)
SELECT t.coin_key, NULL AS is_quiet
FROM listed AS s JOIN coins_told AS t USING (coin_key) WHERE t.sources <> coalesce(s.sources, '{}')
UNION ALL
SELECT p.coin_key, true
FROM latest_prices AS p JOIN coins_told AS t USING (coin_key) JOIN listings AS l USING (listing_id)
WHERE p.observed_at < $2 AND NOT t.is_quiet
  AND p.observed_at < (SELECT n.observed_at FROM newest AS n WHERE n.source = l.source) - $3::interval
UNION ALL
SELECT p.coin_key, false
FROM coins_told AS t JOIN latest_prices AS p USING (coin_key) WHERE t.is_quiet AND p.observed_at >= $2;

-- name: insert_changes
-- Tell what differs from what was told last, of all coins that version $1 touched and of those in $3 (with $4: whether
-- they are quiet; null: as before).
-- All parts of the statement see what was told before.
WITH touched AS (
    SELECT u.coin_key, bool_or(u.is_quiet) AS is_quiet
    FROM (
        SELECT coin_key, NULL::boolean AS is_quiet FROM coins WHERE version = $1
        UNION ALL
        SELECT coin_key, NULL FROM judgements WHERE version = $1
        UNION ALL
        SELECT v.coin_key, v.is_quiet FROM unnest($3::integer[], $4::boolean[]) AS v (coin_key, is_quiet)
    ) AS u GROUP BY u.coin_key
), listed AS (
    SELECT j.coin_key,
           array_agg(DISTINCT l.source ORDER BY l.source) FILTER (WHERE l.active) AS active,
           array_agg(DISTINCT l.source ORDER BY l.source) FILTER (WHERE NOT l.active) AS inactive
    FROM touched JOIN judgements AS j USING (coin_key) JOIN listings AS l USING (listing_id)
    WHERE j.verdict = 'same' AND j.superseded_at IS NULL
    GROUP BY j.coin_key
), present AS (
    SELECT c.coin_key, c.symbol, c.name, c.merged_into, coalesce(s.active, '{}') AS sources, coalesce(s.inactive, '{}') AS inactive,
           coalesce(u.is_quiet, t.is_quiet, false) AS is_quiet, t.coin_key IS NOT NULL AS is_known, t.symbol AS was_symbol,
           t.name AS was_name, t.merged_into AS was_merged_into, t.sources AS was_sources, t.is_quiet AS was_quiet,
           CASE WHEN t.sources <@ s.active THEN '{}' ELSE ARRAY(SELECT unnest(t.sources) EXCEPT SELECT unnest(s.active)) END AS lost
    FROM touched AS u JOIN coins AS c USING (coin_key) LEFT JOIN listed AS s USING (coin_key) LEFT JOIN coins_told AS t USING (coin_key)
), walked AS ( -- listings that this version took from one coin to another, with what separated them, if anything did, and what joined them
    SELECT DISTINCT ON (o.listing_id) o.listing_id, o.coin_key AS left_key, n.coin_key AS joined_key, n.judgement_id AS joined_by,
           CASE WHEN o.decided_by = 'person' THEN o.judgement_id ELSE d.judgement_id END AS separated_by
    FROM judgements AS o
    JOIN judgements AS n
        ON n.listing_id = o.listing_id AND n.verdict = 'same' AND n.superseded_at IS NULL AND n.version = $1 AND n.coin_key <> o.coin_key
    LEFT JOIN judgements AS d
        ON d.listing_id = o.listing_id AND d.coin_key = o.coin_key AND d.verdict = 'different' AND d.superseded_at IS NULL AND d.version = $1
    WHERE o.version = $1 AND o.verdict = 'same' AND o.superseded_at IS NOT NULL
    ORDER BY o.listing_id, o.judgement_id DESC
), found AS (
    -- A coin that was not there before is new, unless its first listing came from a coin that lives on.
    SELECT p.coin_key, 1 AS place, CASE WHEN w.listing_id IS NULL AND p.was_merged_into IS NULL THEN 'new' ELSE 'split' END AS kind,
           coalesce(w.left_key, p.was_merged_into) AS other_key, coalesce(w.separated_by, w.joined_by) AS judgement_id, NULL AS reason
    FROM present AS p
    LEFT JOIN LATERAL (
        SELECT m.* FROM walked AS m JOIN coins AS c ON c.coin_key = m.left_key
        WHERE m.joined_key = p.coin_key AND c.merged_into IS NULL ORDER BY m.listing_id LIMIT 1
    ) AS w ON true
    WHERE NOT p.is_known OR (p.was_merged_into IS NOT NULL AND p.merged_into IS NULL)
    UNION ALL
    SELECT p.coin_key, 2, 'merged', p.merged_into,
           (SELECT m.joined_by FROM walked AS m WHERE m.left_key = p.coin_key ORDER BY m.joined_key <> p.merged_into, m.listing_id LIMIT 1), NULL
    FROM present AS p
    WHERE p.merged_into IS NOT NULL AND p.merged_into IS DISTINCT FROM p.was_merged_into
    UNION ALL
    SELECT p.coin_key, 3, 'moved', m.left_key, coalesce(m.separated_by, m.joined_by), NULL
    FROM walked AS m JOIN present AS p ON p.coin_key = m.joined_key JOIN coins AS c ON c.coin_key = m.left_key
    WHERE c.merged_into IS NULL AND p.is_known AND p.was_merged_into IS NULL
    UNION ALL
    SELECT p.coin_key, 4, 'renamed', NULL, NULL, NULL
    FROM present AS p WHERE p.is_known AND (p.symbol, p.name) <> (p.was_symbol, p.was_name)
    UNION ALL
    SELECT p.coin_key, 5,
           CASE WHEN p.sources = '{}' OR p.is_quiet > p.was_quiet THEN 'vanished' WHEN p.lost && p.inactive THEN 'delisted' ELSE 'returned' END,
           NULL, NULL,
           CASE WHEN p.sources <> '{}' AND p.is_quiet > p.was_quiet THEN 'unquoted'
                WHEN p.sources = '{}' AND p.inactive = '{}' THEN 'emptied'
                WHEN p.sources = '{}' OR p.lost && p.inactive THEN 'delisted'
                WHEN p.was_sources = '{}' THEN 'listed' ELSE 'quoted' END
    FROM present AS p
    WHERE p.is_known AND p.merged_into IS NULL AND p.was_merged_into IS NULL
      AND ((p.sources = '{}') <> (p.was_sources = '{}') OR p.lost && p.inactive OR (p.sources <> '{}' AND p.is_quiet <> p.was_quiet))
), told AS (
    INSERT INTO coins_told AS t (coin_key, symbol, name, merged_into, sources, is_quiet)
    SELECT coin_key, symbol, name, merged_into, sources, is_quiet FROM present
    ON CONFLICT (coin_key) DO UPDATE
    SET symbol = excluded.symbol, name = excluded.name, merged_into = excluded.merged_into, sources = excluded.sources,
        is_quiet = excluded.is_quiet
    WHERE (t.symbol, t.name, t.merged_into, t.sources, t.is_quiet)
        IS DISTINCT FROM (excluded.symbol, excluded.name, excluded.merged_into, excluded.sources, excluded.is_quiet)
)
INSERT INTO changes (version, changed_at, kind, coin_key, other_key, judgement_id, reason, was_symbol, was_name, was_sources,
                     symbol, name, sources)
SELECT $1, $2, f.kind, f.coin_key, f.other_key, f.judgement_id, f.reason, p.was_symbol, p.was_name, p.was_sources,
       p.symbol, p.name, p.sources
FROM found AS f JOIN present AS p USING (coin_key)
ORDER BY f.coin_key, f.place;

-- name: delete_old_changes
-- Forget what happened before a time.
DELETE FROM changes WHERE changed_at < $1;

-- name: select_version_at
-- The version of the last change that is not after a time; null where all are.
SELECT version FROM changes WHERE changed_at <= $1 ORDER BY changed_at DESC LIMIT 1;

-- name: count_changes
-- Changes of versions after $1.
SELECT count(*) FROM changes WHERE version > $1;

-- name: select_changes
-- Changes after the one numbered $2 of version $1, oldest first, with the judgement that made each.
SELECT h.version, h.change_id, h.changed_at, h.kind, c.coin_id, o.coin_id AS other_id, h.reason,
    h.was_symbol, h.was_name, h.was_sources, h.symbol, h.name, h.sources,
    h.judgement_id, j.verdict, j.rule, j.confidence, j.decided_by, j.note, l.source, l.source_id
FROM changes AS h
JOIN coins AS c ON c.coin_key = h.coin_key
LEFT JOIN coins AS o ON o.coin_key = h.other_key
LEFT JOIN judgements AS j ON j.judgement_id = h.judgement_id
LEFT JOIN listings AS l ON l.listing_id = j.listing_id
WHERE (h.version, h.change_id) > ($1, $2)
ORDER BY h.version, h.change_id LIMIT $3;
