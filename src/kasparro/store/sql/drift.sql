-- Where a source's answers stopped looking as they used to.

-- name: upsert_drift
-- Note findings; those that were never made before come back.
INSERT INTO drift AS d (stream, field, kind, verdict, share, suggestion, score, first_seen_at, last_seen_at, run_id)
SELECT $1, u.field, u.kind, u.verdict, u.share, u.suggestion, u.score, $2, $2, $3
FROM unnest($4::text[], $5::text[], $6::text[], $7::float8[], $8::text[], $9::float8[]) AS u (field, kind, verdict, share, suggestion, score)
ON CONFLICT (stream, field, kind) DO UPDATE
SET verdict = excluded.verdict, share = excluded.share, suggestion = excluded.suggestion, score = excluded.score,
    last_seen_at = excluded.last_seen_at, run_id = excluded.run_id
RETURNING d.field, d.kind, (d.xmax = 0) AS is_first;

-- name: select_drift
-- The newest findings.
SELECT stream, field, kind, verdict, share, suggestion, score, first_seen_at, last_seen_at, run_id
FROM drift ORDER BY last_seen_at DESC, stream, field, kind LIMIT $1;

-- name: delete_old_drift
-- Findings that were last made before a time.
DELETE FROM drift WHERE last_seen_at < $1;

-- name: select_known_values
-- What is known of listings by their ids at a source.
SELECT l.source_id, l.symbol, l.name, q.price, q.market_cap, q.volume_24h
FROM listings AS l LEFT JOIN latest_quotes AS q USING (listing_id)
WHERE l.source = $1 AND l.source_id = ANY($2::text[]);
