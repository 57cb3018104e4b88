"""`kasparro doctor`: what works, what does not, and what to do about it; a line each."""

import asyncio
import shutil
import socket

from rich.console import Console

from kasparro import app
from kasparro.clock import Clock, SystemClock
from kasparro.errors import KasparroError
from kasparro.settings import Settings, SourceSettings
from kasparro.sources.base import HttpSource
from kasparro.sources.fetching import Fetchers
from kasparro.store import checkpoints, migrate, runs
from kasparro.store.pool import Database

_FAILED = 1
_CLOCK_SECONDS_MAX = 60.0  # ours and the database's may differ by: beyond it ages that are shown are wrong
_DISK_BYTES_MIN = 1_000_000_000  # two days of quotes at the default schedule, and the answers as they came
_CONNECT_SECONDS = 2.0


class _Report:
    """Prints a line per check and remembers whether all were well."""

    def __init__(self) -> None:
        self._console = Console()
        self.well = True

    def say(self, what: str, how: str, *, ok: bool = True) -> None:
        """One line."""
        self.well &= ok
        mark = "[green]ok  [/green]" if ok else "[red]fail[/red]"
        self._console.print(f"{mark} {what:<12} {how}", highlight=False, soft_wrap=True)


async def doctor(settings: Settings, clock: Clock | None = None) -> int:
    """0 where all is well, else 1."""
    report, clock = _Report(), clock or SystemClock()
    report.say("settings", f"refresh every {settings.refresh_seconds} s, data in {settings.data_dir}")
    admin = "open to the token" if settings.admin_token else "closed: set KASPARRO_ADMIN_TOKEN to open it"
    report.say("admin", admin)
    report.say("port", await _port(settings))
    try:
        async with app.database_url(settings, serve=False) as (url, _server):
            _check_disk(settings, report)
            await _check_database(settings, url, clock, report)
    except KasparroError as error:
        report.say("database", str(error), ok=False)
    await _check_sources(settings, report)
    return 0 if report.well else _FAILED


async def _port(settings: Settings) -> str:
    """Whether somebody listens where we would. Most likely that is ourselves, so it is no fault."""
    where = f"{settings.host}:{settings.port}"
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(settings.host, settings.port)
    except (OSError, TimeoutError, socket.gaierror):
        return f"{where} is free"
    writer.close()
    return f"{where} is in use: by a kasparro that serves, or else choose another with KASPARRO_PORT"


def _check_disk(settings: Settings, report: _Report) -> None:
    if settings.database_url is not None:
        return
    free = shutil.disk_usage(settings.data_dir).free
    room = f"{free / 1e9:,.1f} GB free in {settings.data_dir}"
    well = free >= _DISK_BYTES_MIN
    mend = "; make room, choose another folder with KASPARRO_DATA_DIR, or keep less with KASPARRO_RAW_MEGABYTES and KASPARRO_QUOTE_DAYS"
    report.say("disk", room if well else room + mend, ok=well)


async def _check_database(settings: Settings, url: str, clock: Clock, report: _Report) -> None:
    database = await Database.open(url, settings)
    try:
        async with database.connection() as conn:
            pending = await migrate.pending(conn)
            version = conn.get_server_version()
            ahead = (clock.now() - await runs.database_clock(conn)).total_seconds()
        report.say("database", f"{database.place}, PostgreSQL {version.major}.{version.minor}")
        _say_clock(ahead, report)
        missing = f"not applied: {', '.join(pending)}; run kasparro migrate" if pending else "up to date"
        report.say("migrations", missing, ok=not pending)
        if not pending:
            month = clock.now().date().replace(day=1)
            # Reading files costs no calls that anybody counts.
            asked = [settings.sources[s.name] for s in app.make_sources(settings) if isinstance(s, HttpSource)]
            for source in asked:
                async with database.read() as conn:
                    used = await checkpoints.select_calls(conn, source.name, month)
                _say_budget(source, used, report)
    finally:
        await database.close()


def _say_clock(ahead: float, report: _Report) -> None:
    if abs(ahead) <= _CLOCK_SECONDS_MAX:
        report.say("clock", "agrees with the database's")
        return
    how = f"{abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} the database's"
    report.say("clock", f"{how}: let both machines set theirs by NTP, or prices look older or newer than they are", ok=False)


def _say_budget(source: SourceSettings, used: int, report: _Report) -> None:
    limit = f"of {source.calls_per_month:,}" if source.calls_per_month else "(the plan states no limit)"
    well = not source.calls_per_month or used < source.calls_per_month
    prefix = source.name.upper()
    mend = (
        f"; the month is spent and begins anew on its first day (UTC). Set {prefix}_PLAN and {prefix}_API_KEY to a larger plan, "
        f"or {prefix}_CALLS_PER_MONTH to what yours allows"
    )
    say = f"{source.name}: {used:,} calls this month {limit}, {source.calls_per_minute} a minute"
    report.say("budget", say if well else say + mend, ok=well)


async def _check_sources(settings: Settings, report: _Report) -> None:
    async with app.http_client(settings) as http:
        fetchers = Fetchers(settings, SystemClock(), http)
        for source in app.make_sources(settings):
            ours = settings.sources[source.name]
            try:
                seconds = await fetchers.probe(source, ours)
            except KasparroError as error:
                report.say(source.name, str(error), ok=False)
            else:
                key = "with a key" if ours.api_key else "without a key"
                asked = f"plan {ours.plan}, {key}" if isinstance(source, HttpSource) else ours.base_url
                report.say(source.name, f"answers in {seconds * 1000:.0f} ms, {asked}")
