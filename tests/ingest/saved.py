"""A database put back to what it held: a tenth of the time that cloning a filled one takes."""

from kasparro.store.pool import Database

_TABLES = """SELECT quote_ident(relname) AS name FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
             ORDER BY 1"""


async def save(db: Database) -> None:
    """Keep what every table holds now, beside it."""
    async with db.write() as conn:
        await conn.execute("CREATE SCHEMA saved")
        for table in await conn.fetch(_TABLES):
            await conn.execute(f"CREATE TABLE saved.{table['name']} AS TABLE public.{table['name']}")


async def restore(db: Database) -> None:
    """Put every table back to what was kept. Numbers that were given out since stay used."""
    async with db.write() as conn:
        tables = [table["name"] for table in await conn.fetch(_TABLES)]
        await conn.execute("SET LOCAL session_replication_role = replica")  # rows come in any order
        await conn.execute(
            f"TRUNCATE {', '.join(tables)};"
            + "".join(f"INSERT INTO public.{name} OVERRIDING SYSTEM VALUE SELECT * FROM saved.{name};" for name in tables)
        )
