"""Databases that tests hand on: emptied in some milliseconds, where a new one costs a fifth of a second of CPU."""

import asyncpg

# Sessions that are still there end first, as DROP DATABASE ... WITH (FORCE) would end them. A table that has grown is truncated, which
# costs new files; rows of the others are deleted, which costs next to nothing.
_EMPTY = """
DO $$
DECLARE
    one regclass;
BEGIN
    PERFORM pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
    PERFORM set_config('lock_timeout', '2s', true), set_config('session_replication_role', 'replica', true);
    FOR one IN SELECT inhrelid FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE relkind = 'r' LOOP
        EXECUTE format('DROP TABLE %s', one);
    END LOOP;
    FOR one IN
        SELECT oid FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'schema_migrations' AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE format(CASE WHEN pg_relation_size(one) < 100000 THEN 'DELETE FROM %s' ELSE 'TRUNCATE %s CASCADE' END, one);
    END LOOP;
    PERFORM setval(oid, 1, false) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace;
    INSERT INTO catalog_version (version, published_run_id) VALUES (0, 0);
END $$
"""
_SCHEMA = """
SELECT md5(string_agg(what, E'\\n' ORDER BY what)) FROM (
    SELECT format('%s %s %s %s %s', c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull)
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0
    UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
    UNION ALL SELECT format('%s %s', tgrelid::regclass, tgname) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT format('%s %s', proname, md5(prosrc)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT format('%s %s', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'
    UNION ALL SELECT setconfig::text FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase
    WHERE datname = current_database()
) AS it (what)
"""


async def schema(connection: asyncpg.Connection) -> str:
    """A digest of everything that a test may have changed beside rows."""
    digest: str = await connection.fetchval(_SCHEMA)
    return digest


async def emptied(connection: asyncpg.Connection, expected: str) -> bool:
    """Make a database as new. False: something holds it, or its schema is not the expected one any more."""
    try:
        await connection.execute(_EMPTY)
    except asyncpg.PostgresError:
        return False
    return await schema(connection) == expected
