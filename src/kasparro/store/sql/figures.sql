-- What the metrics tell of the database, and what a restart must not take from them.

-- name: count_runs
-- Runs after $1 up to $2, and when the last one ended, by what began them and how they ended.
SELECT trigger, status, count(*)::bigint AS runs, max(finished_at) AS last_finished_at
FROM runs WHERE run_id > $1 AND run_id <= $2 GROUP BY trigger, status ORDER BY trigger, status;

-- name: sum_run_sources
-- What the runs after $1 up to $2 did with each source, by its outcome and by how long it took: how many of the durations $3 it reached. A
-- replay received nothing from a source.
SELECT source, outcome, width_bucket(duration_seconds, $3::float8[]) AS bucket, count(*)::bigint AS runs,
    sum(duration_seconds)::float8 AS duration_seconds, sum(rows_received)::bigint AS rows_received,
    sum(rows_written)::bigint AS rows_written, sum(rows_revised)::bigint AS rows_revised, sum(rows_rejected)::bigint AS rows_rejected
FROM run_sources
WHERE run_id > $1 AND run_id <= $2 AND run_id NOT IN (SELECT run_id FROM runs WHERE trigger = 'replay' AND run_id > $1 AND run_id <= $2)
GROUP BY source, outcome, bucket ORDER BY source, outcome, bucket;

-- name: count_drift
-- Findings of drift that were made since a time.
SELECT stream, verdict, count(*)::bigint AS findings FROM drift WHERE last_seen_at >= $1 GROUP BY stream, verdict ORDER BY stream, verdict;

-- name: count_unsure
-- Judgements that wait for a person.
SELECT count(*)::bigint FROM judgements WHERE verdict = 'unsure' AND superseded_at IS NULL;

-- name: select_database_bytes
-- The size of the whole database.
SELECT pg_database_size(current_database());
