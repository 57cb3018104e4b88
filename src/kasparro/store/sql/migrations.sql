-- Migrations: what has been applied to this database.

-- name: server_version
-- The server's version as a number, like 180006. Asked in SQL: behind a pooler the driver only knows what the pooler says.
SELECT current_setting('server_version_num')::integer;

-- name: lock
-- One migration at a time over all processes. Transaction-level, because a session lock excludes nobody behind a pooler.
-- The number means nothing; it only has to stay the same for ever.
SELECT pg_advisory_xact_lock(7268440521937);

-- name: unbounded
-- A migration may take as long as it needs, whatever the role's defaults are.
SET LOCAL statement_timeout = 0;

-- name: create_table
-- Make the table of applied migrations.
-- unprepared: a table cannot be named in the next query before it is there, and this runs as a script
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: select_table
-- Whether the table of applied migrations is there.
SELECT to_regclass('schema_migrations') IS NOT NULL;

-- name: select_applied
-- Every applied migration with its checksum, in the order of application.
SELECT name, sha256 FROM schema_migrations ORDER BY name;

-- name: insert_applied
-- Note a migration as applied.
INSERT INTO schema_migrations (name, sha256) VALUES ($1, $2);
