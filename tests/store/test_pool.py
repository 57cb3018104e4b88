"""The pools: transactions, time limits, lost connections and poolers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from kasparro import settings as settings_module
from kasparro.errors import DatabaseError
from kasparro.store.pool import Database, place

pytestmark = pytest.mark.slow


@pytest.fixture
async def pooled(postgres: Any, pooler: str) -> AsyncIterator[Database]:
    """The pools on a migrated database behind a transaction-mode pooler."""
    name = await postgres.create()
    settings = settings_module.load({"KASPARRO_DATA_DIR": "/nonexistent", "KASPARRO_DATABASE_POOLER": "transaction"})
    database = await Database.open(f"{pooler}/{name}", settings)
    yield database
    await database.close()
    await postgres.drop(name)


async def test_write_commits_at_the_end_and_rolls_back_on_an_exception(db: Database) -> None:
    """What a block wrote is kept when it ends and undone when it raises."""
    async with db.write() as connection:
        await connection.execute("INSERT INTO budgets VALUES ('kept', '2026-01-01', 1)")

    async def insert_and_fail() -> None:
        async with db.write() as connection:
            await connection.execute("INSERT INTO budgets VALUES ('undone', '2026-01-01', 1)")
            raise LookupError

    with pytest.raises(LookupError):
        await insert_and_fail()

    async with db.read() as connection:
        assert [row["source"] for row in await connection.fetch("SELECT source FROM budgets")] == ["kept"]


async def test_cancelled_write_is_undone_and_its_connection_serves_again(db: Database) -> None:
    """A task that is cancelled within a block leaves nothing, also on the connection that it had."""

    async def insert_and_wait() -> None:
        async with db.write() as connection:
            await connection.execute("INSERT INTO budgets VALUES ('undone', '2026-01-01', 1)")
            await connection.execute("SELECT pg_sleep(60)")

    tasks = [asyncio.create_task(insert_and_wait()) for _ in range(4)]
    await asyncio.sleep(0.3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    async with db.write() as connection:
        assert await connection.fetchval("SELECT count(*) FROM budgets") == 0


async def test_transaction_left_open_is_rolled_back_when_its_connection_is_released(
    db: Database,
) -> None:
    """A connection that comes back in a transaction is cleaned before anyone else gets it, though no reset query is sent."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    async with db.connection() as connection:
        await connection.execute("BEGIN")
        await connection.execute("INSERT INTO budgets VALUES ('undone', '2026-01-01', 1)")
    asyncio.get_running_loop().set_exception_handler(None)

    async with db.connection() as connection:
        assert not connection.is_in_transaction()
        assert await connection.fetchval("SELECT count(*) FROM budgets") == 0
    assert "active transaction" in complaints[0]["message"]


async def test_read_refuses_writes(db: Database) -> None:
    """A reader's transaction is read-only."""
    async with db.read() as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("INSERT INTO budgets VALUES ('x', '2026-01-01', 1)")


async def test_slow_read_is_ended_and_said_to_be_slow(db: Database) -> None:
    """A reader's query ends at the statement timeout, with an error of its own code."""
    with pytest.raises(DatabaseError, match=r"took over 0\.05 s") as caught:
        async with db.read(timeout_seconds=0.05) as connection:
            await connection.execute("SELECT pg_sleep(5)")

    assert caught.value.code == "database_slow"
    async with db.read() as connection:
        assert await connection.fetchval("SHOW statement_timeout") == "5s"


async def test_slow_write_is_ended_and_said_to_be_slow(database_url: str, settings: Any) -> None:
    """A writer's statement ends at the command timeout, with the same code."""
    database = await Database.open(database_url, msgspec.structs.replace(settings, command_timeout_seconds=0.1))
    with pytest.raises(DatabaseError) as caught:
        async with database.write() as connection:
            await connection.execute("SELECT pg_sleep(5)")

    assert caught.value.code == "database_slow"
    await database.close()


async def test_snapshot_shows_one_state_over_several_statements(db: Database) -> None:
    """What is committed between two statements of a snapshot is not seen by the second."""
    async with db.read(snapshot=True) as connection:
        before = await connection.fetchval("SELECT count(*) FROM budgets")
        async with db.write() as other:
            await other.execute("INSERT INTO budgets VALUES ('x', '2026-01-01', 1)")
        assert await connection.fetchval("SELECT count(*) FROM budgets") == before


async def test_jsonb_is_encoded_and_decoded(db: Database) -> None:
    """A jsonb value goes in and comes out as plain Python values; json stays the text that it is."""
    value = {"a": [1, 2.5, None, "ü"]}
    async with db.read() as connection:
        row = await connection.fetchrow("SELECT $1::jsonb AS b, '{\"x\":  1}'::json AS j", value)

    assert (row["b"], row["j"]) == (value, '{"x":  1}')


async def test_query_is_never_compiled(db: Database) -> None:
    """Compiling queries is off for writers and readers."""
    async with db.write() as writer, db.read() as reader:
        assert [await writer.fetchval("SHOW jit"), await reader.fetchval("SHOW jit")] == ["off", "off"]


async def test_a_full_disk_is_named_where_the_connection_is_lost_with_it(
    database_url: str, session_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An embedded server without room for its log ends; what is left of the connection says nothing of that."""
    monkeypatch.setattr("kasparro.store.pool._ROOM_BYTES", 10**18)
    database = await Database.open(database_url, settings_module.load({"KASPARRO_DATA_DIR": str(session_folder)}))

    with pytest.raises(DatabaseError, match=f"was lost: .* MB are free in {session_folder}. Make room there"):
        async with database.write() as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    await database.close()


async def test_lost_connection_is_a_database_error_and_the_next_one_works(db: Database) -> None:
    """A connection that the server ends mid-way is reported as lost, and the pool makes a new one."""
    with pytest.raises(DatabaseError, match="was lost"):
        async with db.write() as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    async with db.write() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_what_is_asked_of_a_lost_connection_is_said_in_words(db: Database) -> None:
    """That it was closed, and not which of the driver's methods was called."""

    async def go_on_with_a_lost_connection() -> None:
        async with db.connection() as connection:
            with suppress(asyncpg.PostgresError):
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            await connection.fetchval("SELECT 1")

    with pytest.raises(DatabaseError, match=r"was lost: it was closed\. A transaction that was open is undone"):
        await go_on_with_a_lost_connection()


async def test_wrong_argument_stays_the_error_that_it_is(db: Database) -> None:
    """A mistake in an argument is not mistaken for a lost connection."""
    with pytest.raises(asyncpg.DataError):
        async with db.write() as connection:
            await connection.fetchval("SELECT $1::integer", "x")


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://me:s3cret@127.0.0.1:1/coins", "database coins at 127.0.0.1:1"),
        ("postgresql://me:s3cret@/coins?host=/nonexistent", "database coins at /nonexistent"),
        ("postgresql://me:s3cret@127.0.0.1:notaport/coins", "database coins at 127.0.0.1:notaport"),
    ],
)
async def test_unreachable_server_is_named_without_the_password(settings: Any, url: str, where: str) -> None:
    """The error says where and why, and nothing of the password stands in it or in what caused it."""
    with pytest.raises(DatabaseError) as caught:
        await Database.open(url, settings)

    assert str(caught.value).startswith(f"cannot connect to the {where}: ")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_place_never_shows_user_or_password() -> None:
    """Whatever is in a URL, only host, port and database are shown."""
    assert place("postgresql://u:p%40x@h:5/d?password=s3cret&host=other") == "database d at h:5"
    assert place("postgresql://u:p@x@h/d") == "database d at h"
    assert place("postgresql:///?host=/run/x") == "database of the default name at /run/x"


async def test_full_pool_is_an_error_in_bounded_time(database_url: str, settings: Any) -> None:
    """Who gets no connection in time is told so instead of waiting for ever."""
    database = await Database.open(database_url, msgspec.structs.replace(settings, reader_pool_max=1, statement_timeout_seconds=0.1))
    async with database.read():
        with pytest.raises(DatabaseError, match="became free in time"):
            async with database.read():
                pytest.fail("there was none to be had")
    await database.close()


async def test_many_statements_at_once_work_through_a_transaction_mode_pooler(pooled: Database) -> None:
    """Two hundred concurrent reads and writes, with arguments, arrays and jsonb, succeed behind five server connections."""

    async def write(number: int) -> None:
        async with pooled.write() as connection:
            await connection.execute("INSERT INTO budgets VALUES ($1, '2026-01-01', $2)", f"s{number}", number)
            assert await connection.fetchval("SHOW jit") == "off"

    async def read(number: int) -> None:
        async with pooled.read() as connection:
            assert await connection.fetchval("SHOW statement_timeout") == "5s"
            row = await connection.fetchrow("SELECT $1::integer + 1 AS n, $2::float8[] AS a, $3::jsonb AS j", number, [0.5], [number])
            assert tuple(row) == (number + 1, [0.5], [number])

    await asyncio.gather(*(write(n) if n % 2 else read(n) for n in range(200)))

    async with pooled.read() as connection:
        assert await connection.fetchval("SELECT count(*) FROM budgets") == 100


async def test_full_disk_is_said_with_its_place_and_what_to_do(db: Database) -> None:
    """What the server says of its disk becomes an error of ours that names the database and asks for room."""
    with pytest.raises(DatabaseError, match=r"the disk of the database in /nonexistent is full: no room\. Make room there") as caught:
        async with db.write() as connection:
            await connection.execute("DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$")

    assert caught.value.code == "disk_full"


async def test_database_that_refuses_writes_is_said_to_be_read_only(db: Database) -> None:
    """A standby, or a host that has set the database so, is told apart from a fault of ours."""
    with pytest.raises(DatabaseError, match="is read-only") as caught:
        async with db.write() as connection:
            await connection.execute("SET TRANSACTION READ ONLY; INSERT INTO budgets VALUES ('x', '2026-01-01', 1)")

    assert caught.value.code == "database_read_only"


async def test_a_transaction_that_is_cancelled_as_it_begins_is_not_left_open(db: Database) -> None:
    """At whichever step that happens, no connection goes back to its pool in a transaction, and the next one works."""
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context["message"]))

    async def work() -> None:
        async with db.read():
            await asyncio.sleep(0)

    try:
        for steps in range(40):
            task = asyncio.create_task(work())
            for _ in range(steps):
                await asyncio.sleep(0.0001)
            task.cancel()
            await asyncio.wait([task])
            async with db.read() as conn:
                assert await conn.fetchval("SELECT 1") == 1
    finally:
        asyncio.get_running_loop().set_exception_handler(None)

    assert complaints == []
