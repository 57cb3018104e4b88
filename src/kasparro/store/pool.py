"""The connections to Postgres: a pool for writers, a pool for readers, and what each statement may cost.

Nothing here keeps session state, so that everything works through a transaction-mode pooler as well: settings are SET LOCAL,
locks are transaction-level, and behind a pooler no statement is prepared by name.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import msgspec

from kasparro.errors import DatabaseError
from kasparro.settings import Settings

_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 1.0
# What undoing a transaction may take, and again the end of a statement that was given up: a server that hangs must hold up nobody's
# end. A connection that takes longer is cut, and the server undoes what its client has left.
_UNDO_SECONDS = 1.0
_ROOM_BYTES = 40_000_000  # two segments of the write-ahead log, and a little
# The server ends a transaction that its client has left alone for so long: a frozen process must not hold its locks for ever.
_IDLE_IN_TRANSACTION_SECONDS = 120

# What is said on a connection that is gone.
_LOST = (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError)
# What is said on one, but also where an argument has the wrong type, and of a pipe of the caller's.
_LOST_IF_GONE = (asyncpg.InterfaceError, ConnectionError)
# What is said when a connection cannot be made.
_REFUSED = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError)


class Database:
    """One database. Times out instead of waiting without end; a lost or refused connection is a DatabaseError."""

    def __init__(self, url: str, settings: Settings, writers: asyncpg.Pool, readers: asyncpg.Pool) -> None:
        self._url = url
        self._settings = settings
        self._writers = writers
        self._readers = readers
        pooled = settings.database_pooler == "transaction"
        # Without a pooler these are set when a connection starts, which costs no round trip.
        self._local = _local(_session_settings()) if pooled else ""

    @classmethod
    async def open(cls, url: str, settings: Settings) -> "Database":
        """Connect once with each pool, so that trouble shows now. Raises DatabaseError with the host and never the password."""
        with _refused(url):
            writers = await _pool(url, settings, settings.writer_pool_max)
        try:
            for_readers = _for_readers(url, settings)
            with _refused(*for_readers):
                readers = await _pool(for_readers[0], settings, settings.reader_pool_max)
        except BaseException:
            writers.terminate()
            raise
        return cls(url, settings, writers, readers)

    @property
    def place(self) -> str:
        """Where the database is, without user and password."""
        return place(self._url)

    async def close(self) -> None:
        """Wait a little for statements at work, then end every connection."""
        await asyncio.gather(_close(self._readers), _close(self._writers))

    @asynccontextmanager
    async def write(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection in a transaction: committed at the end of the block, rolled back by an exception."""
        async with self.connection() as connection:
            try:
                async with _transaction(connection):
                    if self._local:
                        await connection.execute(self._local)
                    yield connection
            except (asyncpg.DiskFullError, asyncpg.ReadOnlySQLTransactionError) as error:
                raise self._refuses_writes(error) from error

    @asynccontextmanager
    async def read(self, *, snapshot: bool = False, timeout_seconds: float | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A connection in a read-only transaction whose statements end after `statement_timeout_seconds` or the given time.

        With `snapshot`, every statement sees the database as of the first one. A statement that takes longer is a DatabaseError
        with the code `database_slow`.
        """
        seconds = timeout_seconds or self._settings.statement_timeout_seconds
        isolation = "repeatable_read" if snapshot else "read_committed"
        async with self._acquired(self._readers, seconds) as connection:
            try:
                async with _transaction(connection, isolation=isolation, readonly=True):
                    await connection.execute(_local({"statement_timeout": f"{seconds * 1000:.0f}"}) + self._local)
                    yield connection
            except asyncpg.QueryCanceledError as error:
                message = f"a query on the {self.place} took over {seconds:g} s and was ended: {error}"
                raise DatabaseError(message, code="database_slow") from error

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection outside a transaction, for what cannot run in one and for callers that open their own.

        Outside a transaction only statements without arguments hold through a transaction-mode pooler, which may send the
        two steps of any other to two servers.
        """
        async with self._acquired(self._writers, self._settings.command_timeout_seconds) as connection:
            yield connection

    @asynccontextmanager
    async def _acquired(self, pool: asyncpg.Pool, seconds: float) -> AsyncIterator[asyncpg.Connection]:
        with _refused(*(_for_readers(self._url, self._settings) if pool is self._readers else (self._url,))):
            connection = await pool.acquire(timeout=seconds)
        try:
            yield connection
        except TimeoutError as error:
            message = f"a statement on the {self.place} took over {self._settings.command_timeout_seconds:g} s and was ended"
            raise DatabaseError(message, code="database_slow") from error
        except asyncpg.InsufficientPrivilegeError as error:
            message = (
                f"the {self.place} refuses: {error}. Our role must own the tables, and a reader's have what docs/security.md grants it"
            )
            raise DatabaseError(message, code="database_refuses") from error
        except (*_LOST, *_LOST_IF_GONE, asyncpg.InternalClientError) as error:
            if isinstance(error, _LOST_IF_GONE) and not _is_gone(connection):
                raise
            # What the driver did not expect to hear comes from a server that is being killed: nobody can rely on the connection.
            _cut(connection)
            undone = "A transaction that was open is undone; try again"
            # Of what was called too late on a connection that is gone, the driver speaks in its own terms.
            said = "it was closed" if isinstance(error, asyncpg.InterfaceError) else error
            message = f"the connection to the {self.place} was lost: {said}. {self._without_room() or undone}"
            raise DatabaseError(message) from error
        finally:
            # What goes wrong here has cut the connection, and the pool makes another one.
            with suppress(*_REFUSED):
                await pool.release(connection, timeout=_UNDO_SECONDS)

    def _without_room(self) -> str:
        """What to do where the embedded server has most likely ended for want of room, which it says in its own log alone."""
        folder = self._settings.data_dir
        with suppress(OSError):
            free = shutil.disk_usage(folder).free
            if self._settings.database_url is None and free < _ROOM_BYTES:
                return f"The disk is full: {free / 1e6:,.0f} MB are free in {folder}. Make room there; nothing committed is lost"
        return ""

    def _refuses_writes(self, error: asyncpg.PostgresError) -> DatabaseError:
        """What a person has to do about a database that can be read and not written."""
        place = self.place if self._settings.database_url is not None else f"database in {self._settings.data_dir}"
        if isinstance(error, asyncpg.DiskFullError):
            message = (
                f"the disk of the {place} is full: {error.args[0]}. Make room there: nothing committed is lost, and the next run goes on"
            )
            return DatabaseError(message, code="disk_full")
        message = f"the {place} is read-only: {error.args[0]}. It is a standby, or its host has set it so, as some do when its disk is full"
        return DatabaseError(message, code="database_read_only")


@asynccontextmanager
async def _transaction(connection: asyncpg.Connection, **kind: Any) -> AsyncIterator[None]:  # noqa: ANN401  # what asyncpg takes
    """A transaction: committed at the end of the block, undone by an exception within a second or with its connection."""
    transaction = connection.transaction(**kind)
    try:
        await transaction.start()  # where this is cancelled, the server may have begun all the same
        yield
    except BaseException:
        try:
            async with asyncio.timeout(_UNDO_SECONDS):
                await transaction.rollback()
        except _REFUSED:
            _cut(connection)
        raise
    await transaction.commit()


def _cut(connection: asyncpg.Connection) -> None:
    with suppress(asyncpg.InterfaceError):  # the pool has already taken it back
        connection.terminate()


async def _close(pool: asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await pool.close()
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        # close() has already terminated what it could not end: a server that is gone must not hold up our own end.
        pool.terminate()


def _is_gone(connection: asyncpg.Connection) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has already taken it back
        return True


def _for_readers(url: str, settings: Settings) -> tuple[str, str]:
    """Where readers connect to, and the setting that says so."""
    other = settings.database_reader_url
    return (url, "DATABASE_URL") if other is None else (other.reveal(), "DATABASE_READER_URL")


def place(url: str) -> str:
    """What a connection URL points at, for messages: host, port and database, without user and password."""
    rest, _, query = url.partition("://")[2].partition("?")
    authority, _, name = rest.rpartition("@")[2].partition("/")
    options = parse_qs(query)
    host = authority or options.get("host", ["localhost"])[0]
    return f"database {name or 'of the default name'} at {host}"


async def _pool(url: str, settings: Settings, size: int) -> asyncpg.Pool:
    pooled = settings.database_pooler == "transaction"
    return await asyncpg.create_pool(
        url,
        # Since asyncpg 0.32 min_size is a floor that is kept up in the background, with a logged traceback at each failure.
        # Connections are made when they are needed instead; the first one now, so that a wrong URL shows at start.
        min_size=0,
        max_size=size,
        init=_set_codecs,
        # The reset query would cost a round trip at each release to undo session state that nobody here sets. asyncpg
        # rolls back a transaction that was left open before it calls this.
        reset=_no_reset,
        timeout=_CONNECT_SECONDS,
        command_timeout=settings.command_timeout_seconds,
        # A transaction-mode pooler sends each transaction to another server, which does not know names prepared elsewhere,
        # and refuses start-up parameters that it does not track itself.
        server_settings={"application_name": "kasparro"} | ({} if pooled else _session_settings()),
        **({"statement_cache_size": 0} if pooled else {}),
        init_size=1,
    )


def _session_settings() -> dict[str, str]:
    # Compiling a query costs more than any of ours takes, and holds a core while it does.
    # Everything that is asked for often is in memory, or on a disk without heads: at its default the planner reads the whole of
    # `listings` for every thousand coins.
    return {"jit": "off", "random_page_cost": "1.1", "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_SECONDS * 1000)}


def _local(settings: dict[str, str]) -> str:
    return "".join(f"SET LOCAL {name} = {value};" for name, value in settings.items())


async def _no_reset(_connection: asyncpg.Connection) -> None:
    pass


async def _set_codecs(connection: asyncpg.Connection) -> None:
    # Looking up the type takes a prepared statement: in a transaction, so that a pooler keeps to one server.
    async with connection.transaction():
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_encoded, decoder=msgspec.json.decode, format="text")


def _encoded(value: Any) -> str:  # noqa: ANN401  # any value that JSON can hold
    return msgspec.json.encode(value).decode()


@contextmanager
def _refused(url: str, setting: str = "DATABASE_URL") -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        message = f"no connection to the {place(url)} became free in time: it is overloaded, out of connections or unreachable"
        raise DatabaseError(message) from error
    except _REFUSED as error:
        # Some errors of the driver quote the URL: the reason is given without it, and without the error as its cause.
        reason = str(error).replace(url, "the URL")
        message = f"cannot connect to the {place(url)}: {reason}. Check that it runs and accepts us, and that {setting} is right"
        raise DatabaseError(message) from None
