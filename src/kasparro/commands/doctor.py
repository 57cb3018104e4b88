"""`kasparro doctor`: what works, what does not, and what to do about it; a line each, or JSON."""

import asyncio
import shutil
import socket
import stat
import sys
from collections import Counter
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console
from rich.text import Text

from kasparro import app
from kasparro.clock import Clock, SystemClock, month_of
from kasparro.commands.saying import say
from kasparro.errors import KasparroError
from kasparro.settings import Settings, SourceSettings
from kasparro.sources.base import HttpSource
from kasparro.sources.fetching import Fetchers
from kasparro.store import checkpoints, migrate, runs
from kasparro.store.opening import database_url
from kasparro.store.pool import Database

_FAILED, _DEGRADED = 1, 3
_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}
_TOKEN_CHARACTERS_MIN = 20  # of letters and digits that is over 100 bits
_CLOCK_SECONDS_MAX = 60.0  # ours and the database's may differ by: beyond it ages that are shown are wrong
_DISK_BYTES_MIN = 1_000_000_000  # two days of quotes at the default schedule, and the answers as they came
_CONNECT_SECONDS = 2.0


Status = Literal["ok", "warn", "fail"]


class Check(msgspec.Struct, frozen=True):
    """What was looked at, and how it is."""

    check: str
    status: Status
    detail: str


class _Report:
    """Prints a line per check as it is made, or all of them as JSON in the end."""

    def __init__(self, *, as_json: bool) -> None:
        self._console = None if as_json else Console()
        self.checks: list[Check] = []

    def say(self, what: str, how: str, *, ok: bool = True) -> None:
        """One line: all is well with it, or something does not work."""
        self._add(Check(what, "ok" if ok else "fail", how))

    def warn(self, what: str, how: str) -> None:
        """One line on what works and should not stay so."""
        self._add(Check(what, "warn", how))

    def _add(self, check: Check) -> None:
        self.checks.append(check)
        if self._console is not None:
            say(self._console, Text(f"{check.status:<4}", style=_STYLES[check.status]), f"{check.check:<12}", check.detail)

    def end(self) -> int:
        """Sum up; the exit code."""
        found = Counter(check.status for check in self.checks)
        if self._console is None:
            sys.stdout.write(msgspec.json.encode({"well": not found["fail"] and not found["warn"], "checks": self.checks}).decode() + "\n")
        elif found["fail"] or found["warn"]:
            what = [f"{found['fail']} to mend"] * bool(found["fail"]) + [f"{found['warn']} to think about"] * bool(found["warn"])
            say(self._console, " and ".join(what) + "; each line says what to do")
        else:
            say(self._console, "all is well")
        return _FAILED if found["fail"] else _DEGRADED if found["warn"] else 0


async def doctor(settings: Settings, clock: Clock | None = None, *, as_json: bool = False) -> int:
    """0 where all is well, 1 where something does not work, else 3 where something should not stay as it is."""
    report, clock = _Report(as_json=as_json), clock or SystemClock()
    every = f"refresh every {settings.refresh_seconds} s" if settings.refresh_seconds else "no scheduled runs"
    report.say("settings", f"{every}, data in {settings.data_dir}")
    _check_dotenv(report)
    _check_token(settings, report)
    report.say("port", await _port(settings))
    try:
        async with database_url(settings, serve=False) as (url, _server):
            _check_disk(settings, report)
            await _check_database(settings, url, clock, report)
    except KasparroError as error:
        report.say("database", str(error), ok=False)
    await _check_sources(settings, report)
    return report.end()


def _check_token(settings: Settings, report: _Report) -> None:
    token = settings.admin_token
    if token is None:
        report.say("admin", "closed: set KASPARRO_ADMIN_TOKEN to open it")
    elif len(token.reveal()) < _TOKEN_CHARACTERS_MIN:
        mend = "set KASPARRO_ADMIN_TOKEN to a longer one; openssl rand -hex 32 makes one"
        report.warn("admin", f"open to a token of under {_TOKEN_CHARACTERS_MIN} characters, which can be guessed: {mend}")
    else:
        report.say("admin", "open to the token")


def _check_dotenv(report: _Report) -> None:
    """Whether others on this machine may read the keys in the file that settings are read from."""
    path = Path.cwd() / ".env"
    if path.is_file() and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        report.warn("settings", f"{path} holds keys, and others on this machine may read it: chmod 600 {path}")


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
    room = (f"{free / 1e9:,.1f} GB" if free >= _DISK_BYTES_MIN else f"{free / 1e6:,.0f} MB") + f" free in {settings.data_dir}"
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
        report.say("database", f"{database.place}, PostgreSQL {version.major}.{version.micro}")
        _say_clock(ahead, report)
        missing = f"not applied: {', '.join(pending)}; run kasparro migrate" if pending else "up to date"
        report.say("migrations", missing, ok=not pending)
        if not pending:
            month = month_of(clock.now())
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
