-- What came in, kept for a while: bodies for replay, rows that could not be used.

-- name: insert_raw_page
-- A body as it came, compressed.
INSERT INTO raw_pages (run_id, stream, part, fetched_at, sha256, size, body) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: insert_rejects
-- Rows that could not be used, with their reasons.
INSERT INTO rejects (run_id, stream, part, source_id, reason, row_text, recorded_at)
SELECT $1, $2, $3, u.source_id, u.reason, u.row_text, $4
FROM unnest($5::text[], $6::text[], $7::text[]) AS u (source_id, reason, row_text);

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
