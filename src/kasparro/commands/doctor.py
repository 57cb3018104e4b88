"""`kasparro doctor`: what works, what does not, and what to do about it; a line each."""

from rich.console import Console

from kasparro import app
from kasparro.clock import SystemClock
from kasparro.errors import KasparroError
from kasparro.settings import Settings
from kasparro.store import checkpoints, migrate
from kasparro.store.pool import Database

_FAILED = 1


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


async def doctor(settings: Settings) -> int:
    """0 where all is well, else 1."""
    report = _Report()
    report.say("settings", f"refresh every {settings.refresh_seconds} s, data in {settings.data_dir}")
    admin = "open to the token" if settings.admin_token else "closed: set KASPARRO_ADMIN_TOKEN to open it"
    report.say("admin", admin)
    try:
        async with app.database_url(settings, serve=False) as (url, _server):
            await _check_database(settings, url, report)
    except KasparroError as error:
        report.say("database", str(error), ok=False)
    await _check_sources(settings, report)
    return 0 if report.well else _FAILED


async def _check_database(settings: Settings, url: str, report: _Report) -> None:
    database = await Database.open(url, settings)
    try:
        async with database.connection() as conn:
            pending = await migrate.pending(conn)
            version = conn.get_server_version()
        report.say("database", f"{database.place}, PostgreSQL {version.major}.{version.minor}")
        missing = f"not applied: {', '.join(pending)}; run kasparro migrate" if pending else "up to date"
        report.say("migrations", missing, ok=not pending)
        if not pending:
            month = SystemClock().now().date().replace(day=1)
            for source in settings.sources.values():
                async with database.read() as conn:
                    used = await checkpoints.select_calls(conn, source.name, month)
                limit = f"of {source.calls_per_month:,}" if source.calls_per_month else "(the plan states no limit)"
                well = not source.calls_per_month or used < source.calls_per_month
                report.say("budget", f"{source.name}: {used:,} calls this month {limit}, {source.calls_per_minute} a minute", ok=well)
    finally:
        await database.close()


async def _check_sources(settings: Settings, report: _Report) -> None:
    async with app.http_client(settings) as http:
        for source in app.make_sources(settings):
            ours = settings.sources[source.name]
            try:
                seconds = await http.probe(source, ours)
            except KasparroError as error:
                report.say(source.name, str(error), ok=False)
            else:
                key = "with a key" if ours.api_key else "without a key"
                report.say(source.name, f"answers in {seconds * 1000:.0f} ms, plan {ours.plan}, {key}")
