-- Runs and their lease. All times are the database's own clock: processes need not agree on the time.

-- name: close_dead_runs
-- Close open runs whose lease has passed, and those of which it is known ($1) that nobody works on them.
WITH dead AS (
    UPDATE runs
    SET status = 'abandoned', open = false, finished_at = clock_timestamp()
    WHERE open AND (lease_until < clock_timestamp() OR run_id = ANY($1::integer[]))
    RETURNING run_id
)
SELECT run_id FROM dead;

-- name: shorten_leases
-- A lease that ends later than any that is given now is of a time before the clock was set back: let it pass as one of now.
UPDATE runs SET lease_until = clock_timestamp() + make_interval(secs => $1)
WHERE open AND lease_until > clock_timestamp() + make_interval(secs => $1);

-- name: open_run_owner
-- The open run, if there is one, and who owns it.
SELECT run_id, owner_host, owner_process FROM runs WHERE open;

-- name: open_run
-- Open a run. No row: another one is open.
INSERT INTO runs (trigger, owner_host, owner_process, started_at, lease_until)
VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp() + make_interval(secs => $4))
ON CONFLICT (open) WHERE open DO NOTHING
RETURNING run_id;

-- name: renew_lease
-- Renew a run's lease. No row: the run was closed by another process and nothing may be written under it.
UPDATE runs SET lease_until = clock_timestamp() + make_interval(secs => $2)
WHERE run_id = $1 AND open
RETURNING run_id;

-- name: close_run
-- End a run with its status.
UPDATE runs SET status = $2, finished_at = clock_timestamp(), open = false
WHERE run_id = $1 AND open
RETURNING run_id;

-- name: insert_run_source
-- What one source did in a run.
INSERT INTO run_sources (run_id, source, outcome, error, calls, parts, rows_received, rows_written, rows_revised, rows_rejected, duration_seconds)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (run_id, source) DO UPDATE
SET outcome = excluded.outcome, error = excluded.error, calls = excluded.calls, parts = excluded.parts,
    rows_received = excluded.rows_received, rows_written = excluded.rows_written, rows_revised = excluded.rows_revised,
    rows_rejected = excluded.rows_rejected, duration_seconds = excluded.duration_seconds;

-- name: count_run_coverage
-- How many listings of each source that a run asked are active, and how many of these were quoted since a time.
UPDATE run_sources AS o SET listings_active = c.active, listings_quoted = c.quoted
FROM (
    SELECT l.source, count(*)::integer AS active, count(*) FILTER (WHERE q.observed_at >= $2)::integer AS quoted
    FROM listings AS l LEFT JOIN latest_quotes AS q USING (listing_id) WHERE l.active GROUP BY l.source
) AS c
WHERE o.run_id = $1 AND o.source = c.source;

-- name: seconds_since_last_run
-- Seconds since the last run that asked a source, or still may, was opened; null where there was none. A replay asks nobody.
SELECT extract(epoch FROM clock_timestamp() - r.started_at)::float8 FROM runs AS r
WHERE (r.open AND r.trigger <> 'replay') OR EXISTS (SELECT FROM run_sources AS o WHERE o.run_id = r.run_id AND o.calls > 0)
ORDER BY r.run_id DESC LIMIT 1;

-- name: select_clock
-- The database's clock.
SELECT clock_timestamp();
