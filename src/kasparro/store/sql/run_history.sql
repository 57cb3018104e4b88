-- Runs as they are read: by the API, never by the ingestion.

-- name: select_runs
-- The newest runs up to $1.
SELECT run_id, trigger, status, started_at, finished_at FROM runs WHERE run_id <= $1 ORDER BY run_id DESC LIMIT $2;

-- name: select_run
-- One run.
SELECT run_id, trigger, status, started_at, finished_at FROM runs WHERE run_id = $1;

-- name: select_run_sources
-- What the sources did in some runs.
SELECT run_id, source, outcome, error, calls, parts, rows_received, rows_written, rows_revised, rows_rejected, duration_seconds
FROM run_sources WHERE run_id = ANY($1::integer[])
ORDER BY run_id, source;

-- name: select_ended_runs
-- The newest runs that have ended, up to $1.
SELECT run_id FROM runs WHERE finished_at IS NOT NULL AND run_id <= $1 ORDER BY run_id DESC LIMIT $2;

-- name: select_following_run
-- The run after another one. Ids have gaps.
SELECT run_id FROM runs WHERE run_id > $1 ORDER BY run_id LIMIT 1;

-- name: select_run_facts
-- What sources did in runs that asked them, and how much of them was covered at the end, oldest first: in those that ended since $1, of
-- the $4 newest up to run $2, and in the $3 before these.
WITH newest AS (
    SELECT run_id, finished_at FROM runs WHERE run_id <= $2 ORDER BY run_id DESC LIMIT $4
), recent AS (
    SELECT run_id, finished_at FROM newest WHERE finished_at >= $1
), earlier AS (
    SELECT run_id, finished_at FROM runs
    WHERE run_id < coalesce((SELECT min(run_id) FROM recent), $2) AND finished_at IS NOT NULL
    ORDER BY run_id DESC LIMIT $3
)
SELECT r.run_id, r.finished_at, o.source, o.calls, o.duration_seconds, o.listings_quoted::float8 / nullif(o.listings_active, 0) AS coverage
FROM (SELECT * FROM recent UNION ALL SELECT * FROM earlier) AS r JOIN run_sources AS o USING (run_id)
WHERE o.calls > 0
ORDER BY r.run_id, o.source;

-- name: select_run_coverage
-- How much of each source was covered when some runs ended.
SELECT run_id, source, listings_quoted::float8 / nullif(listings_active, 0) AS coverage FROM run_sources WHERE run_id = ANY($1::integer[]);

-- name: select_standing
-- Per source its last outcome, last success and last error; each from the newest run that has one, and the first trouble after the
-- last success. A run that had nothing to ask of a source says nothing of it but that nothing was due: a restart shortly after a run
-- must not look like trouble. A replay, which asks nobody, says nothing at all.
SELECT s.source, last.outcome, last.run_id AS last_run_id,
    succeeded.finished_at AS last_success_at, idle.finished_at AS last_idle_at, failed.error AS last_error,
    failed.finished_at AS last_error_at, troubled.finished_at AS troubled_since
FROM unnest($1::text[]) AS s (source)
LEFT JOIN LATERAL (
    SELECT o.outcome, r.run_id FROM run_sources o JOIN runs r USING (run_id)
    WHERE o.source = s.source AND NOT (o.outcome = 'skipped' AND o.error IS NULL) AND r.finished_at IS NOT NULL AND r.trigger <> 'replay' ORDER BY o.run_id DESC LIMIT 1
) last ON true
LEFT JOIN LATERAL (
    SELECT r.finished_at, r.run_id FROM run_sources o JOIN runs r USING (run_id)
    WHERE o.source = s.source AND o.outcome = 'succeeded' AND r.finished_at IS NOT NULL AND r.trigger <> 'replay' ORDER BY o.run_id DESC LIMIT 1
) succeeded ON true
LEFT JOIN LATERAL (
    SELECT r.finished_at FROM run_sources o JOIN runs r USING (run_id)
    WHERE o.source = s.source AND o.outcome = 'skipped' AND o.error IS NULL AND r.finished_at IS NOT NULL AND r.trigger <> 'replay' ORDER BY o.run_id DESC LIMIT 1
) idle ON true
LEFT JOIN LATERAL (
    SELECT o.error, r.finished_at FROM run_sources o JOIN runs r USING (run_id)
    WHERE o.source = s.source AND o.error IS NOT NULL AND r.finished_at IS NOT NULL AND r.trigger <> 'replay' ORDER BY o.run_id DESC LIMIT 1
) failed ON true
LEFT JOIN LATERAL (
    SELECT r.finished_at FROM run_sources o JOIN runs r USING (run_id)
    WHERE o.source = s.source AND o.run_id > coalesce(succeeded.run_id, 0) AND o.outcome IN ('failed', 'degraded')
        AND r.finished_at IS NOT NULL AND r.trigger <> 'replay' ORDER BY o.run_id LIMIT 1
) troubled ON true
ORDER BY s.source;

-- name: select_first_run_started
-- When the first run that is still remembered began.
SELECT started_at FROM runs ORDER BY run_id LIMIT 1;

-- name: select_source_totals
-- Per source, what all runs that ended since a time did. A replay received nothing from a source.
SELECT o.source, count(*)::bigint AS runs, sum(o.calls)::bigint AS calls, sum(o.rows_received)::bigint AS rows_received,
    sum(o.rows_written)::bigint AS rows_written, sum(o.rows_revised)::bigint AS rows_revised,
    sum(o.rows_rejected)::bigint AS rows_rejected, sum(o.duration_seconds)::float8 AS duration_seconds
FROM run_sources o JOIN runs r USING (run_id)
WHERE r.finished_at >= $1 AND r.trigger <> 'replay'
GROUP BY o.source;

-- name: select_calls_since
-- Calls that every source has spent since the first day of a month.
SELECT source, sum(calls)::bigint AS calls FROM budgets WHERE month >= $1 GROUP BY source ORDER BY source;

-- name: select_stream_coverage
-- Per stream: its parts, those committed at least once, the rows last seen in them, and the oldest and newest commit.
SELECT stream, count(*)::bigint AS parts, count(committed_at)::bigint AS parts_committed, sum(rows)::bigint AS rows,
    min(committed_at) AS oldest_commit_at, max(committed_at) AS newest_commit_at
FROM checkpoints GROUP BY stream ORDER BY stream;

-- name: select_listing_counts
-- Per source: listings, active ones, and those with a latest quote, with the oldest and newest observation.
SELECT l.source, count(*)::bigint AS listings, count(*) FILTER (WHERE l.active)::bigint AS active,
    count(q.listing_id)::bigint AS quoted, min(q.observed_at) AS oldest_observed_at, max(q.observed_at) AS newest_observed_at
FROM listings l LEFT JOIN latest_quotes q USING (listing_id)
GROUP BY l.source ORDER BY l.source;

-- name: select_reject_reasons
-- Rejected rows since a time, by stream and reason.
SELECT stream, reason, count(*)::bigint AS rows FROM rejects WHERE recorded_at >= $1
GROUP BY stream, reason ORDER BY count(*) DESC, stream, reason LIMIT $2;

-- name: select_reject_examples
-- Of the $2 newest rejects since $1, the $3 newest of each stream and reason.
SELECT stream, part, source_id, reason, row_text, recorded_at, run_id
FROM (
    SELECT newest.*, row_number() OVER (PARTITION BY stream, reason ORDER BY recorded_at DESC, reject_id DESC) AS place
    FROM (SELECT * FROM rejects WHERE recorded_at >= $1 ORDER BY recorded_at DESC LIMIT $2) AS newest
) AS placed
WHERE place <= $3
ORDER BY recorded_at DESC, reject_id DESC;

-- name: select_progress
-- What was committed since a time, by stream.
SELECT stream, count(*)::bigint AS parts, sum(rows)::bigint AS rows FROM checkpoints WHERE committed_at >= $1
GROUP BY stream ORDER BY stream;
