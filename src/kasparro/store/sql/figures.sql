-- What the metrics tell of the database, and what a restart must not take from them.

-- name: count_runs
-- Runs that have ended, and when the last one did, by what began them and how they ended.
SELECT trigger, status, count(*)::bigint AS runs, max(finished_at) AS last_finished_at
FROM runs WHERE finished_at IS NOT NULL GROUP BY trigger, status ORDER BY trigger, status;

-- name: sum_run_sources
-- What all runs that have ended did with each source, by its outcome and by how long it took: below which of the durations $1 that is. A
-- replay received nothing from a source.
SELECT o.source, o.outcome, width_bucket(o.duration_seconds, $1::float8[]) AS bucket, count(*)::bigint AS runs,
    sum(o.duration_seconds)::float8 AS duration_seconds, sum(o.rows_received)::bigint AS rows_received,
    sum(o.rows_written)::bigint AS rows_written, sum(o.rows_revised)::bigint AS rows_revised, sum(o.rows_rejected)::bigint AS rows_rejected
FROM run_sources AS o JOIN runs AS r USING (run_id)
WHERE r.finished_at IS NOT NULL AND r.trigger <> 'replay'
GROUP BY o.source, o.outcome, bucket ORDER BY o.source, o.outcome, bucket;

-- name: sum_calls
-- Calls that every source has ever been sent.
SELECT source, sum(calls)::bigint AS calls FROM budgets GROUP BY source ORDER BY source;

-- name: count_drift
-- Findings of drift that were made since a time.
SELECT stream, verdict, count(*)::bigint AS findings FROM drift WHERE last_seen_at >= $1 GROUP BY stream, verdict ORDER BY stream, verdict;

-- name: count_unsure
-- Judgements that wait for a person.
SELECT count(*)::bigint FROM judgements WHERE verdict = 'unsure' AND superseded_at IS NULL;

-- name: select_database_bytes
-- The size of the whole database.
SELECT pg_database_size(current_database());
