"""What a person sees: bars, tables that fit, and a sentence where something foreseeable goes wrong."""

import io
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner
from rich.console import Console

from kasparro.__main__ import cli
from kasparro.commands.bars import Bars, progress
from kasparro.commands.saying import say
from kasparro.commands.summary import show
from kasparro.ingest.asking import PartDone
from kasparro.records import PartResult, RunSummary, SourceSummary
from tests.commands.terminal import in_terminal
from tests.conftest import Cluster
from tests.upstream.fixtures import upstream
from tests.upstream.server import Upstream

__all__ = ["upstream"]

NARROW, USUAL = 50, 80


def _console(width: int, *, terminal: bool = True) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=width, force_terminal=terminal, color_system=None, legacy_windows=False), file


def _lines(file: io.StringIO) -> list[str]:
    return [line.rstrip() for line in file.getvalue().splitlines()]


def _part(stream: str, done: int, known: int, rows: int) -> PartDone:
    source = stream.partition(".")[0]
    return PartDone(source=source, stream=stream, part="x", parts_known=known, parts_done=done, result=PartResult(rows_received=rows))


@pytest.mark.parametrize("width", [USUAL, NARROW])
def test_bars_stand_under_their_source_and_fit(width: int) -> None:
    """A line per stream with its parts, and its rows where there is room; the last line counts all of them."""
    console, file = _console(width)
    bars = Bars(console)
    for part in (
        _part("coingecko.list", 1, 1, 21_498),
        _part("coinpaprika.coins", 1, 1, 56_559),
        _part("coingecko.markets", 3, 79, 250),
        _part("coingecko.markets", 4, 79, 250),
    ):
        bars.observe(part)

    console.print(bars)

    lines = _lines(file)
    assert [line.split()[0] for line in lines[:5]] == ["coingecko", "list", "markets", "coinpaprika", "coins"]
    assert lines[2].endswith("4/79    500 rows" if width == USUAL else "4/79")
    assert "78,557 rows" in lines[5]
    assert max(map(len, lines)) <= width


def test_bars_are_for_terminals() -> None:
    """Into a file or a pipe goes none of them."""
    console, file = _console(USUAL, terminal=False)
    with progress(console) as observe:
        assert observe is None
    assert file.getvalue() == ""


@pytest.mark.parametrize("width", [USUAL, NARROW])
def test_a_long_line_goes_on_beside_where_it_began(width: int) -> None:
    """On a terminal; elsewhere a line stays a line, to be searched. Brackets in it are brackets."""
    words = "the [bold]key[/] was refused [/nothing]: " + "word " * 30 + "/a/very/long/path/" + "x" * 60
    for terminal in (True, False):
        console, file = _console(width, terminal=terminal)
        say(console, "fail", "coingecko   ", words)
        lines = _lines(file)
        assert "".join(words.split()) in "".join(file.getvalue().split())
        assert (len(lines) > 1) == terminal
        if terminal:
            assert max(map(len, lines)) <= width
            assert all(line.startswith(" ") for line in lines[1:])


def _summary(**counts: int) -> RunSummary:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    ours = {"calls": 81, "parts": 81, "rows_received": 41_103, "rows_written": 67_031, "rows_revised": 0, "rows_rejected": 11} | counts
    source = SourceSummary(source="coinpaprika", outcome="degraded", error="tickers [/tickers]: an odd answer", **ours)  # type: ignore[arg-type]
    return RunSummary(
        run_id=7, trigger="command", status="degraded", started_at=began, finished_at=began + timedelta(seconds=64), sources=(source,)
    )


@pytest.mark.parametrize("columns", [USUAL, NARROW])
def test_a_summary_fits(columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As a table, or as lines where that has no room; no figure is cut, and an error with brackets is shown as it is."""
    monkeypatch.setenv("COLUMNS", str(columns))
    assert show(_summary(), as_json=False) == 3
    out, err = capsys.readouterr()
    assert out.startswith("Run 7: degraded in 64.0 s")
    assert {"41,103", "67,031", "11"} <= set(out.replace(",\n", " ").replace(", ", " ").split())
    assert "…" not in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= columns
    assert ("────" in out) == (columns == USUAL)
    assert err == "coinpaprika: tickers [/tickers]: an odd answer\n"


@pytest.fixture
def environment(upstream: Upstream, database_url: str) -> dict[str, str]:
    """Settings of a command."""
    return upstream.environment(DATABASE_URL=database_url)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [USUAL, NARROW])
async def test_run_etl_shows_bars_and_a_summary(environment: dict[str, str], columns: int) -> None:
    """No line of the log between them, and no line wider than the terminal."""
    code, said = await in_terminal(environment, columns, "run-etl")
    assert code == 0
    for word in ("coingecko", "markets", "tickers", "Run 1: succeeded"):
        assert word in said
    assert "run.finished" not in said
    # What was drawn over stays in what was written: a frame begins where the last one ended.
    assert max(len(line) for line in said.split("Run 1: ")[1].splitlines()) <= columns


@pytest.mark.slow
async def test_machines_get_json_of_every_command(environment: dict[str, str], tmp_path: Path) -> None:
    """One object on stdout, also on a terminal."""
    file = tmp_path / "coins.csv"
    for arguments in (("migrate",), ("run-etl",), ("doctor",), ("export", "coins", "-o", str(file)), ("replay",)):
        _, said = await in_terminal(environment, USUAL, *arguments, "--json")
        found = json.loads(said[said.index('{"') :])
        assert found
    assert found["trigger"] == "replay"
    assert file.exists()


@pytest.fixture
async def powerless(postgres: Cluster) -> AsyncIterator[str]:
    """A database and a role that may make nothing in it."""
    name = await postgres.create("template0")
    owner = await asyncpg.connect(postgres.url(name))
    await owner.execute("CREATE ROLE powerless LOGIN")
    yield postgres.url(name).replace("//postgres@", "//powerless@")
    await owner.execute("DROP ROLE powerless")
    await owner.close()
    await postgres.drop(name)


@pytest.mark.slow
async def test_what_can_be_foreseen_is_told_in_a_sentence(upstream: Upstream, powerless: str, tmp_path: Path) -> None:
    """With the setting to change, its exit code, and no traceback."""
    (tmp_path / "file").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        cases: list[tuple[dict[str, str], tuple[str, ...], int, str]] = [
            ({"DATABASE_URL": "postgresql://us:x@127.0.0.1:1/market"}, ("run-etl",), 1, "DATABASE_URL is right"),
            ({"DATABASE_URL": "postgresql://us:x@nowhere.invalid/market"}, ("migrate",), 1, "DATABASE_URL is right"),
            ({"DATABASE_URL": powerless}, ("migrate",), 1, "Make this role the owner"),
            ({"KASPARRO_PORT": str(port)}, ("serve",), 1, "set KASPARRO_PORT"),
            ({"KASPARRO_HOST": "nowhere.invalid"}, ("serve",), 1, "KASPARRO_HOST"),
            ({"KASPARRO_DATA_DIR": str(tmp_path / "file")}, ("run-etl",), 1, "KASPARRO_DATA_DIR"),
        ]
        for more, arguments, code, words in cases:
            got, said = await in_terminal(upstream.environment(HOME=str(tmp_path)) | more, USUAL, *arguments)
            assert (got, words in " ".join(said.split())) == (code, True), said
            assert "Traceback" not in said


@pytest.mark.slow
async def test_a_source_that_cannot_be_reached_is_told_after_the_summary(environment: dict[str, str]) -> None:
    """Once, with what to look at; the other source's figures stand beside it."""
    code, said = await in_terminal(environment | {"COINPAPRIKA_BASE_URL": "http://127.0.0.1:1/v1"}, USUAL, "run-etl")
    assert code == 1
    assert " ".join(said.split()).count("is the network up, and the base URL right?") == 1
    assert "source.trouble" not in said


@pytest.mark.parametrize("command", list(cli.commands))
def test_help_reads_well(command: str) -> None:
    """Each command's line in the list is a whole sentence, and its own page has no line wider than a terminal."""
    runner = CliRunner()
    listed = runner.invoke(cli, ["--help"], prog_name="kasparro", terminal_width=USUAL)
    line = next(line for line in listed.output.splitlines() if line.startswith(f"  {command} "))
    assert line.endswith(".")
    assert "..." not in line
    own = runner.invoke(cli, [command, "--help"], prog_name="kasparro", terminal_width=USUAL)
    assert own.output.startswith(f"Usage: kasparro {command} ")
    assert max(map(len, own.output.split("Faults:")[0].splitlines())) <= USUAL


@pytest.mark.parametrize(
    ("environment", "arguments", "words"),
    [
        ({"DATABASE_URL": "postgresql+asyncpg://us:x@host/market"}, ["migrate"], "write postgresql:// instead"),
        ({"KASPARRO_PORT": "80000"}, ["serve"], "at most 65535"),
        ({"KASPARRO_LOG_LEVEL": "loud"}, ["doctor"], "debug, info, warning, error"),
        ({"KASPARRO_PROT": "1"}, ["doctor"], "did you mean KASPARRO_PORT?"),
        ({"COINGECKO_PLAN": "analyst"}, ["run-etl"], "needs COINGECKO_API_KEY"),
        ({}, ["run-etl", "--source", "kraken"], "known are coingecko, coinpaprika"),
        ({}, ["export", "coins", "--json"], "add -o FILE"),
        ({}, ["runetl"], "Did you mean 'run-etl'?"),
    ],
)
def test_a_wrong_setting_or_usage_is_named(
    environment: dict[str, str], arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is begun, with the exit code 2."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner(env=environment).invoke(cli, arguments, prog_name="kasparro")
    assert done.exit_code == 2
    assert words in done.output
