-- Partitions by day, in UTC.

-- name: make_partitions
-- Make the partitions of tables for days, unless they are there. In one order for all, so that nobody waits for each other in a ring.
SELECT make_day_partition(t.name, d.day)
FROM unnest($1::text[]) WITH ORDINALITY AS t (name, place), unnest($2::date[]) AS d (day)
ORDER BY t.place, d.day;

-- name: select_days
-- The days for which a table has a partition. Its name ends with the day.
SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass($1)
ORDER BY day;

-- name: bound_lock_wait
-- Let the rest of this transaction wait for no lock longer than $1.
SELECT set_config('lock_timeout', $1, true);

-- name: drop_partition
-- Drop a day's partition of a table, if it is there.
SELECT drop_day_partition($1, $2);
