-- What came in, kept for a while: bodies for replay, rows that could not be used.

-- name: insert_raw_page
-- A body as it came, compressed.
INSERT INTO raw_pages (run_id, stream, part, fetched_at, sha256, size, body) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: count_raw_pages
-- How many bodies of the given streams are kept from a time on.
SELECT stream, count(*)::integer AS pages FROM raw_pages WHERE stream = ANY($1::text[]) AND fetched_at >= $2 GROUP BY stream;

-- name: select_next_raw_page
-- The first body of the given streams after another, in the order in which they were committed.
SELECT raw_page_id, run_id, stream, part, fetched_at, sha256, body
FROM raw_pages
WHERE raw_page_id > $1 AND stream = ANY($2::text[]) AND fetched_at >= $3
ORDER BY raw_page_id
LIMIT 1;

-- name: insert_rejects
-- Rows that could not be used, with their reasons.
INSERT INTO rejects (run_id, stream, part, source_id, reason, row_text, recorded_at)
SELECT $1, $2, $3, u.source_id, u.reason, u.row_text, $4
FROM unnest($5::text[], $6::text[], $7::text[]) AS u (source_id, reason, row_text);

-- name: select_rejects_of_page
-- The rejects of a body that a run fetched at $4. They were recorded about then, which the index knows.
SELECT source_id, reason, row_text FROM rejects
WHERE run_id = $1 AND stream = $2 AND part = $3 AND recorded_at BETWEEN $4::timestamptz - interval '1 hour' AND $4::timestamptz + interval '1 hour';

-- name: delete_rejects_of_page
-- Forget the rejects of a body that a run fetched at $4.
DELETE FROM rejects
WHERE run_id = $1 AND stream = $2 AND part = $3 AND recorded_at BETWEEN $4::timestamptz - interval '1 hour' AND $4::timestamptz + interval '1 hour';

-- name: delete_old_rejects
-- Rejects from before a time.
DELETE FROM rejects WHERE recorded_at < $1;

-- name: delete_old_raw_pages
-- Bodies from before a time, and the oldest of those that are more than $2 bytes in sum, counted from the newest.
DELETE FROM raw_pages WHERE raw_page_id IN (
    SELECT raw_page_id
    FROM (SELECT raw_page_id, fetched_at, sum(length(body)) OVER (ORDER BY raw_page_id DESC) AS bytes FROM raw_pages) AS p
    WHERE p.fetched_at < $1 OR p.bytes > $2
);
