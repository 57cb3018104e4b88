"""`kasparro doctor` says of each trouble what to do about it."""

import asyncio
import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kasparro.clock import FakeClock
from kasparro.commands.doctor import doctor
from kasparro.store.pool import Database
from tests.conftest import Cluster, make_settings
from tests.upstream.fixtures import upstream
from tests.upstream.server import Upstream

__all__ = ["upstream"]


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Doctor:
    """The command over a fake upstream and a database, with what it printed."""

    def __init__(self, upstream: Upstream, database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.environment = upstream.environment(DATABASE_URL=database_url, KASPARRO_PORT=str(free_port()))
        self.clock = FakeClock(datetime.now(UTC))
        self._capsys = capsys
        self.last = ""  # line, which sums up

    async def asked(self, **more: str) -> tuple[int, dict[str, str]]:
        """The exit code, and the lines by what they are about, each beginning with ok, warn or fail."""
        self._capsys.readouterr()
        code = await doctor(make_settings(**self.environment | more), self.clock)
        *checks, self.last = self._capsys.readouterr().out.splitlines()
        lines = [line.split(maxsplit=2) for line in checks]
        return code, {how.partition(":")[0] + " budget" if what == "budget" else what: f"{mark} {how}" for mark, what, how in lines}


@pytest.fixture
def patient(upstream: Upstream, database_url: str, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """A doctor of a service that is well."""
    return Doctor(upstream, database_url, capsys)


async def test_all_is_well(patient: Doctor) -> None:
    """Every line is ok and the exit code 0."""
    code, lines = await patient.asked()

    assert code == 0
    assert list(lines) == [
        "settings",
        "admin",
        "port",
        "database",
        "clock",
        "migrations",
        "coingecko budget",
        "coinpaprika budget",
        "coingecko",
        "coinpaprika",
    ]
    assert {line.split()[0] for line in lines.values()} == {"ok"}
    assert patient.last == "all is well"


async def test_what_works_and_should_not_stay_so(patient: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that can be guessed and a file of keys that others may read: what to do about each, and the exit code 3."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("COINGECKO_API_KEY=CG-of-a-test\n")
    (tmp_path / ".env").chmod(0o644)

    code, lines = await patient.asked(KASPARRO_ADMIN_TOKEN="let-me-in")

    assert code == 3
    assert lines["settings"] == f"warn {tmp_path}/.env holds keys, and others on this machine may read it: chmod 600 {tmp_path}/.env"
    assert lines["admin"].startswith("warn open to a token of under 20 characters, which can be guessed: set KASPARRO_ADMIN_TOKEN")
    assert patient.last == "2 to think about; each line says what to do"

    (tmp_path / ".env").chmod(0o600)
    code, lines = await patient.asked(KASPARRO_ADMIN_TOKEN="0123456789abcdef0123")
    assert (code, lines["admin"]) == (0, "ok open to the token")


async def test_the_checks_as_json(patient: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for machines: one object on one line, with each check's state and what it says."""
    settings = make_settings(**patient.environment | {"KASPARRO_ADMIN_TOKEN": "let-me-in"})
    assert await doctor(settings, patient.clock, as_json=True) == 3
    found = json.loads(capsys.readouterr().out)
    assert not found["well"]
    assert {"check", "status", "detail"} == set(found["checks"][0])
    assert [check["check"] for check in found["checks"] if check["status"] == "warn"] == ["admin"]


async def test_a_port_in_use_is_no_fault(patient: Doctor) -> None:
    """It is most likely our own, and otherwise the setting is named."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        code, lines = await patient.asked(KASPARRO_PORT=str(port))

    assert code == 0
    assert lines["port"] == f"ok 127.0.0.1:{port} is in use: by a kasparro that serves, or else choose another with KASPARRO_PORT"


async def test_a_database_out_of_reach(patient: Doctor) -> None:
    """The setting is named and the password is not shown; the sources are looked at all the same."""
    code, lines = await patient.asked(DATABASE_URL=f"postgresql://us:secret@127.0.0.1:{free_port()}/market")

    assert code == 1
    assert lines["database"].startswith("fail cannot connect to the database market at 127.0.0.1:")
    assert "DATABASE_URL" in lines["database"]
    assert "secret" not in lines["database"]
    assert lines["coingecko"].startswith("ok")


async def test_a_data_folder_that_cannot_be_used(patient: Doctor, tmp_path: Path) -> None:
    """The folder and the setting are named."""
    (tmp_path / "file").touch()

    code, lines = await patient.asked(DATABASE_URL="", KASPARRO_DATA_DIR=str(tmp_path / "file" / "data"))

    assert code == 1
    assert lines["database"].startswith(f"fail cannot use the data folder {tmp_path}/file/data: ")
    assert "Make it writable for us, choose another with KASPARRO_DATA_DIR" in lines["database"]


async def test_a_disk_that_is_nearly_full(
    patient: Doctor, session_folder: Path, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to keep less of is named, before the database stops for want of room."""
    monkeypatch.setattr("kasparro.commands.doctor._DISK_BYTES_MIN", 10**18)

    code, lines = await patient.asked(DATABASE_URL="", KASPARRO_DATA_DIR=str(session_folder / "embedded"))

    assert code == 1
    assert " MB free in " in lines["disk"]
    assert "KASPARRO_RAW_MEGABYTES" in lines["disk"]


@pytest.mark.parametrize(("seconds", "said"), [(75, "75 s ahead of the database's"), (-4_000, "4,000 s behind the database's")])
async def test_a_clock_that_is_wrong(patient: Doctor, seconds: int, said: str) -> None:
    """By how much and which way, and what mends it."""
    patient.clock.advance(seconds)

    code, lines = await patient.asked()

    assert code == 1
    assert lines["clock"].startswith(f"fail {said}: let both machines set theirs by NTP")


async def test_a_migration_that_is_missing(patient: Doctor, postgres: Cluster) -> None:
    """The command that applies it is named."""
    empty = await postgres.create("template0")

    code, lines = await patient.asked(DATABASE_URL=postgres.url(empty))
    await postgres.drop(empty)

    assert code == 1
    assert lines["migrations"].startswith("fail not applied: 0001_create_schema.sql")
    assert lines["migrations"].endswith("run kasparro migrate")


async def test_a_month_that_is_spent(patient: Doctor, db: Database) -> None:
    """When it begins anew, and which settings say that the plan allows more."""
    async with db.connection() as conn:
        await conn.execute("INSERT INTO budgets VALUES ('coingecko', $1, 10000)", patient.clock.now().date().replace(day=1))

    code, lines = await patient.asked(COINGECKO_API_KEY="CG-of-a-test")
    allowed, _ = await patient.asked(COINGECKO_API_KEY="CG-of-a-test", COINGECKO_CALLS_PER_MONTH="20000")

    assert (code, allowed) == (1, 0)
    assert lines["coingecko budget"].startswith("fail coingecko: 10,000 calls this month of 10,000, ")
    assert "begins anew on its first day (UTC). Set COINGECKO_PLAN and COINGECKO_API_KEY" in lines["coingecko budget"]
    assert lines["coinpaprika budget"].startswith("ok")


@pytest.mark.parametrize(
    ("answer", "settings"),
    [
        ({"status": 400, "body": {"status": {"error_code": 10010, "error_message": "pro"}}}, "set COINGECKO_PLAN to basic, analyst"),
        ({"status": 400, "body": {"status": {"error_code": 10011, "error_message": "demo"}}}, "set COINGECKO_PLAN=demo"),
        ({"status": 401}, "check COINGECKO_API_KEY, and that COINGECKO_PLAN is the key's plan"),
        ({"status": 402}, "COINGECKO_PLAN"),
        ({"status": 404}, "is COINGECKO_BASE_URL right"),
    ],
)
async def test_a_source_that_refuses(patient: Doctor, upstream: Upstream, answer: dict[str, object], settings: str) -> None:
    """A key at the wrong host, a wrong key, a spent plan, a wrong address: which setting to change, and never the key."""
    upstream.strike("status", "/ping", **answer)

    code, lines = await patient.asked(COINGECKO_API_KEY="CG-of-a-test")

    assert code == 1
    assert lines["coingecko"].startswith("fail")
    assert settings in lines["coingecko"]
    assert "CG-of-a-test" not in str(lines)


async def test_a_source_out_of_reach(patient: Doctor) -> None:
    """Whether the network is up, and the address right."""
    code, lines = await patient.asked(COINPAPRIKA_BASE_URL=f"http://127.0.0.1:{free_port()}/v1")

    assert code == 1
    assert "is the network up, and the base URL right?" in lines["coinpaprika"]


async def test_a_folder_of_files(patient: Doctor, tmp_path: Path) -> None:
    """It is a source like the others, without a budget; an empty one and a missing one are told with the setting's name or the folder's."""
    empty, lines = await patient.asked(KASPARRO_FILES_DIR=str(tmp_path))
    missing, told = await patient.asked(KASPARRO_FILES_DIR=str(tmp_path / "missing"))
    (tmp_path / "prices.csv").touch()
    code, well = await patient.asked(KASPARRO_FILES_DIR=str(tmp_path))

    assert (empty, missing, code) == (1, 1, 0)
    assert "no CSV file" in lines["files"]
    assert "KASPARRO_FILES_DIR" in told["files"]
    assert well["files"].startswith("ok answers in")
    assert "files budget" not in well
