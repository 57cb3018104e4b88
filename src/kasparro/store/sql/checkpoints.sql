-- Checkpoints, one per part of a stream, and the calls that fetching cost.

-- name: select_checkpoints
-- Every known part, in the order of its stream.
SELECT stream, part, ordinal, sweep, committed_at, rows, peak_rows, digest, ids, absent, weight, laid_at
FROM checkpoints ORDER BY stream, ordinal, part;

-- name: upsert_checkpoint
-- A part was committed.
INSERT INTO checkpoints (stream, part, ordinal, sweep, committed_at, rows, peak_rows, digest, absent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (stream, part) DO UPDATE
SET ordinal = excluded.ordinal, sweep = excluded.sweep, committed_at = excluded.committed_at, rows = excluded.rows,
    peak_rows = excluded.peak_rows, digest = excluded.digest, absent = excluded.absent;

-- name: insert_known_parts
-- Parts that an answer made known; they wait to be committed once.
INSERT INTO checkpoints (stream, part, ordinal)
SELECT $1, u.part, u.ordinal FROM unnest($2::text[], $3::integer[]) AS u (part, ordinal)
ON CONFLICT (stream, part) DO NOTHING;

-- name: insert_batch
-- A batch as it was laid, with what is known of its listings from the parts that they were in before.
INSERT INTO checkpoints (stream, part, ordinal, sweep, committed_at, rows, peak_rows, ids, absent, weight, laid_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: delete_parts
-- Parts that the stream no longer has.
DELETE FROM checkpoints WHERE stream = $1 AND part = ANY($2::text[]);

-- name: add_calls
-- Count calls against a source's month.
INSERT INTO budgets (source, month, calls) VALUES ($1, $2, $3)
ON CONFLICT (source, month) DO UPDATE SET calls = budgets.calls + excluded.calls;

-- name: select_calls
-- Calls spent by a source in a month.
SELECT calls FROM budgets WHERE source = $1 AND month = $2;
