"""The command line. Exit codes: 0 all well, 1 failed, 2 usage, 3 degraded, 4 another run works, 5 the data folder is held."""

import asyncio
import sys
from collections.abc import Coroutine, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click
import uvloop

import kasparro
from kasparro import logs
from kasparro.commands.moments import FIRST, LAST, Moment
from kasparro.commands.writing import FileFormat, has_parquet
from kasparro.demo.faults import MODES
from kasparro.errors import DataFolderHeldError, KasparroError, RunOpenError, SettingsError
from kasparro.settings import Settings, environment_with_dotenv, load
from kasparro.sources.past import DAYS_MAX
from kasparro.store.exports import Interval

_NO_PARQUET = "--format parquet needs pyarrow: install it with pip install 'kasparro[parquet]', or use csv or ndjson"
FAILED, USAGE, RUN_OPEN, FOLDER_HELD, INTERRUPTED = 1, 2, 4, 5, 130


class _InOrder(click.Group):
    """Lists the commands as they stand here, and not by the alphabet."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(self.commands)


_EPILOG = """\b
Exit codes: 0 all well, 1 failed, 2 wrong usage or setting, 3 degraded,
4 another run works, 5 another serve holds the data folder.

Settings are environment variables, or lines of a file .env where a command
is called; README.md lists them."""


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.version_option(kasparro.__version__, prog_name="kasparro")
def cli() -> None:
    """The crypto market from CoinGecko and CoinPaprika: one coin once, every price with its provenance, as a JSON API."""


@cli.command("serve", short_help="Serve the API and collect on a schedule.")
def serve_command() -> None:
    """Migrate the database, serve the API and collect on a schedule, until Ctrl-C or SIGTERM.

    Without DATABASE_URL a database of its own works in the data folder. One data folder has one serve; other commands may work beside it.
    """
    from kasparro.commands import serve

    settings = _settings(quiet=False)
    _run(serve.serve(settings))


@cli.command("run-etl", short_help="Collect once, show what came, and exit.")
@click.option("--source", "sources", multiple=True, metavar="SOURCE", help="Ask only this source, like coingecko (repeatable).")
@click.option("--full", is_flag=True, help="Ask for every part of every stream, due or not.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def run_etl_command(sources: tuple[str, ...], *, full: bool, as_json: bool) -> None:
    """Collect once: ask each source for what is due and affordable, match, publish, and print what came.

    Exits with 0, or 3 where a source is degraded, 1 where one failed, 4 where another run works.
    """
    from kasparro.commands import run_etl

    settings = _settings()
    _check_known("source", sources, settings.sources)
    sys.exit(_run(run_etl.run_etl(settings, sources or None, full=full, as_json=as_json)))


@cli.command("migrate", short_help="Apply the migrations that the database lacks.")
@click.option("--json", "as_json", is_flag=True, help="Print the names of what was applied as JSON.")
def migrate_command(*, as_json: bool) -> None:
    """Apply the migrations that the database lacks, and print their names. serve and run-etl do it by themselves."""
    from kasparro.commands import migrate

    settings = _settings()
    _run(migrate.migrate(settings, as_json=as_json))


@cli.command("doctor", short_help="Say what works, what does not, and what to do.")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def doctor_command(*, as_json: bool) -> None:
    """Check settings, port, disk, database, clock, migrations, the month's budgets, and whether each source answers.

    A line each, with what to do where something is wrong. Exits with 0, or 1 where something does not work, or 3 where something works
    and should not stay as it is.
    """
    from kasparro.commands import doctor

    settings = _settings()
    sys.exit(_run(doctor.doctor(settings, as_json=as_json)))


@cli.command("export", short_help="Write coins, prices, mappings or history to a file.")
@click.argument("table", type=click.Choice(["coins", "prices", "mappings", "history"]))
@click.option("--format", "file_format", type=click.Choice(["csv", "ndjson", "parquet"]), default="csv", show_default=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, allow_dash=True), default="-", show_default=True, help="The file; - is stdout."
)
@click.option("--coins", metavar="ID,ID", help="history: of these coins, by id or alias.")
@click.option("--all", "all_coins", is_flag=True, help="history: of all coins.")
@click.option("--from", "since", type=Moment(), metavar="TIME", help="history: from this ISO 8601 or Unix time on.")
@click.option("--to", "until", type=Moment(), metavar="TIME", help="history: to before this time.")
@click.option("--interval", type=click.Choice(["raw", "1h", "1d"]), help="history: quotes (the default), or hourly or daily candles.")
@click.option("--json", "as_json", is_flag=True, help="With -o FILE: print as JSON what was written.")
def export_command(
    table: str,
    file_format: FileFormat,
    output: Path,
    coins: str | None,
    since: datetime | None,
    until: datetime | None,
    interval: Interval | None,
    *,
    all_coins: bool,
    as_json: bool,
) -> None:
    """Write all coins, prices, or mappings of listings to coins; or the history of coins. A file appears whole or not at all."""
    from kasparro.commands import export

    place = None if str(output) == "-" else output
    if as_json and place is None:
        message = "--json says what was written to a file: add -o FILE"
        raise click.UsageError(message)
    if file_format == "parquet" and place is None:
        message = "--format parquet needs a file: add -o FILE"
        raise click.UsageError(message)
    if file_format == "parquet" and not has_parquet():
        raise click.UsageError(_NO_PARQUET)
    if table != "history":
        if coins or all_coins or since or until or interval:
            message = f"--coins, --all, --from, --to and --interval belong to history, not to {table}"
            raise click.UsageError(message)
        sys.exit(_run(export.export(_settings(), table, file_format, place, as_json=as_json)))
    named = tuple(filter(None, (coins or "").split(",")))
    if bool(named) == all_coins:
        message = "history needs --coins ID,ID or --all"
        raise click.UsageError(message)
    span = export.Span(coins=named or None, since=since or FIRST, until=until or LAST, interval=interval or "raw")
    sys.exit(_run(export.export_history(_settings(), span, file_format, place, as_json=as_json)))


_DAYS = click.FloatRange(min=0, max=36_500, min_open=True)


@cli.command("replay", short_help="Parse the stored answers again, asking nobody.")
@click.option(
    "--since",
    "since_days",
    type=click.FloatRange(min=0, max=36_500, min_open=True),
    metavar="DAYS",
    help="Only what came in the last DAYS.",
)
@click.option("--stream", "streams", multiple=True, metavar="STREAM", help="Only this stream, like coingecko.markets (repeatable).")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def replay_command(since_days: float | None, streams: tuple[str, ...], *, as_json: bool) -> None:
    """Parse the sources' stored answers again, after a parser or a rule was mended. Asks no source."""
    from kasparro.commands import replay

    settings = _settings()
    _check_known("stream", streams, replay.streams(settings))
    sys.exit(_run(replay.replay(settings, streams, since_days, as_json=as_json)))


@cli.command("import-history", short_help="Take over past prices, from files or the sources.")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="[FILE]...")
@click.option("--source", metavar="SOURCE", help="The source that the payloads are of; with --backfill only this one is asked.")
@click.option("--id", "source_id", metavar="ID", help="The listing's id there.")
@click.option("--backfill", "days", type=click.IntRange(1, DAYS_MAX), metavar="DAYS", help="Ask the sources for so many days.")
@click.option("--top", type=click.IntRange(1, 100_000), default=100, show_default=True, help="--backfill: of those traded most.")
@click.option("--again", is_flag=True, help="--backfill: also of listings that were asked for before.")
def import_history_command(
    files: tuple[Path, ...], source: str | None, source_id: str | None, days: int | None, *, top: int, again: bool
) -> None:
    """Take over the past: payloads of CoinGecko's market_chart and CoinPaprika's historical from files, or asked for within the budget."""
    from kasparro.commands import import_history

    settings = _settings()
    _check_known("source", filter(None, [source]), import_history.sources(settings))
    if days is not None:
        if files or source_id:
            message = "--backfill asks the sources: it takes no FILE and no --id"
            raise click.UsageError(message)
        sys.exit(_run(import_history.backfill(settings, source, days, top, again=again)))
    if not files or source is None or source_id is None:
        message = "name the payloads with --source SOURCE --id ID FILE..., or ask the sources with --backfill DAYS"
        raise click.UsageError(message)
    sys.exit(_run(import_history.take_files(settings, source, source_id, files)))


_FAULTS = "\b\nFaults:\n" + "\n".join(f"  {mode:<11} {meaning}" for mode, meaning in MODES.items())


@cli.command("demo", epilog=_FAULTS, short_help="Try it: a made-up market, no internet, nothing kept.")
@click.option("--fault", type=click.Choice(list(MODES)), metavar="MODE", help="Strike CoinGecko's answers after the first run; see below.")
def demo_command(fault: str | None) -> None:
    """Serve beside a small made-up market: no internet is needed, nothing is kept."""
    from kasparro.commands import demo

    settings = _settings(demo.environment_for(environment_with_dotenv(Path.cwd())), quiet=False)
    _run(demo.demo(settings, fault))


def _settings(environment: Mapping[str, str] | None = None, *, quiet: bool = True) -> Settings:
    """The settings, with the log set up. `quiet`: on a terminal the command says by itself what a person has to know."""
    try:
        environment = environment_with_dotenv(Path.cwd()) if environment is None else environment
        settings = load(({"KASPARRO_LOG_LEVEL": "error"} if quiet and sys.stderr.isatty() else {}) | dict(environment))
    except SettingsError as error:
        _end(error, USAGE)
    logs.configure(settings.log_format, settings.log_level)
    return settings


def _check_known(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(given) - set(known)):
        message = f"unknown {what} {', '.join(unknown)}: known are {', '.join(known)}"
        raise click.UsageError(message)


def _run(work: Coroutine[Any, Any, int | None]) -> int:
    """Run a command to its end; its exit code. An error of ours is a sentence, not a traceback."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work) or 0
    except RunOpenError as error:
        _end(error, RUN_OPEN)
    except DataFolderHeldError as error:
        _end(error, FOLDER_HELD)
    except KasparroError as error:
        _end(error, FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _end(error: KasparroError, code: int) -> NoReturn:
    click.echo(f"kasparro: {error}", err=True)
    sys.exit(code)


def main() -> None:
    """The entry point of the `kasparro` command."""
    cli(prog_name="kasparro")


if __name__ == "__main__":
    main()
