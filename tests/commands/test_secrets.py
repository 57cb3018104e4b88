"""No key is ever shown: distinctive ones are planted, everything is made to fail, and all that comes out is searched for them."""

import io
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest

from kasparro import logs
from kasparro.clock import SystemClock
from kasparro.commands.doctor import doctor
from kasparro.errors import KasparroError
from kasparro.sources.coingecko import CoinGecko
from kasparro.sources.coinpaprika import CoinPaprika
from kasparro.sources.http import HttpClient
from kasparro.store import raw_pages
from tests.conftest import make_settings
from tests.torture.processes import Service
from tests.upstream.fixtures import upstream
from tests.upstream.server import Upstream

__all__ = ["upstream"]

pytestmark = pytest.mark.slow

GECKO_KEY, PAPRIKA_KEY = "CG-planted7gecko7key", "planted7paprika7key"
TOKEN, WRONG_TOKEN, PASSWORD = "planted7admin7token", "planted7wrong7token", "planted7database7password"
PLANTED = (GECKO_KEY, PAPRIKA_KEY, TOKEN, WRONG_TOKEN, PASSWORD)
KEYS = {
    "COINGECKO_API_KEY": GECKO_KEY,
    "COINGECKO_PLAN": "demo",
    "COINPAPRIKA_API_KEY": PAPRIKA_KEY,
    "COINPAPRIKA_PLAN": "starter",
    "KASPARRO_ADMIN_TOKEN": TOKEN,
}
KEY_OF = {"coingecko": GECKO_KEY, "coinpaprika": PAPRIKA_KEY}
# Whatever a source may say that repeats the key which it was given, here KEY.
FAULTS: dict[str, dict[str, Any]] = {
    "401": {"mode": "status", "status": 401, "body": {"status": {"error_code": 10002, "error_message": "the key KEY is wrong"}}},
    "403": {"mode": "status", "status": 403, "html": "<html><title>KEY is not welcome</title></html>"},
    "429": {"mode": "status", "status": 429, "body": {"error": "KEY asks too often"}, "retry_after": "600"},
    "500": {"mode": "status", "status": 500, "html": "no idea what to do with KEY"},
    "names": {"mode": "status", "status": 200, "body": {"KEY": 1}},
    "error in a 200": {"mode": "status", "status": 200, "body": {"error": "KEY has spent its month"}},
    "redirect": {"mode": "redirect", "to": "http://KEY.example/?key=KEY"},
    "redirect here": {"mode": "redirect", "to": "/KEY?key=KEY"},
}


def _strike(upstream: Upstream, fault: str) -> None:
    for source, key in KEY_OF.items():
        options = msgspec.json.decode(msgspec.json.encode(FAULTS[fault]).replace(b"KEY", key.encode()))
        upstream.strike(source=source, **options)


def _found(text: str) -> list[str]:
    """The keys that are in a text, or any beginning of one that is long enough to tell."""
    return [key for key in PLANTED if key[:14].lower() in text.lower()]


def _with_password(url: str) -> str:
    return url.replace("//postgres@", f"//postgres:{PASSWORD}@")


@pytest.fixture
async def service(upstream: Upstream, database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A served process that was given all the keys, and logs all it can."""
    served = Service(upstream, tmp_path / "log", DATABASE_URL=_with_password(database_url), **KEYS)
    yield served
    await served.kill()


async def _everything(service: Service, paths: list[str]) -> str:
    """What every path answers, headers included: without a token, with the right and with a wrong one, and with keys in the question."""
    said = []
    async with aiohttp.ClientSession() as session:
        for path in paths:
            for token in (None, TOKEN, WRONG_TOKEN):
                headers = {} if token is None else {"Authorization": f"Bearer {token}"}
                for accept in ("application/json", "text/html"):
                    headers["Accept"] = accept
                    async with session.get(service.url + path, headers=headers, allow_redirects=False) as answer:
                        said.append(f"{answer.headers} {await answer.text()}")
    return "\n".join(said)


async def _run(service: Service) -> str:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession() as session:
        url = f"{service.url}/admin/run-etl?wait=true"
        async with session.post(url, headers=headers, json={"full": True}) as answer:
            assert answer.status == 200
            return await answer.text()


async def _database(url: str) -> str:
    """All rows of all tables, the sources' kept answers unpacked."""
    connection = await asyncpg.connect(url)
    tables = await connection.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    rows = [row["row"] for table in tables for row in await connection.fetch(f"SELECT t::text AS row FROM {table['relname']} AS t")]
    pages = [raw_pages.decompressed(row["body"]).decode() for row in await connection.fetch("SELECT body FROM raw_pages")]
    await connection.close()
    assert pages
    return "\n".join([*rows, *pages])


def _arguments() -> str:
    """The command line of every process of this machine that may be seen."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.append((folder / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


async def test_a_served_process_shows_no_key(service: Service, upstream: Upstream, database_url: str) -> None:
    """Not in an answer, a log line, the database or an argument list, whatever the sources do; and the sources get theirs in a header."""
    upstream.renamed |= {"bitcoin": f"Bitcoin {GECKO_KEY}", "btc-bitcoin": f"Bitcoin {PAPRIKA_KEY}"}  # kept, and served
    await service.start()
    await service.until_answers("/health/ready")
    _, document = await service.get("/openapi.json")
    paths = [path.format(coin_id="bitcoin", run_id="1", judgement_id="1") for path in document["paths"] if path != "/stream"]
    paths += ["/nowhere", "/data?limit=x", "/coins/bitcoin/history?source=x", "/pages/runs", "/pages/review"]
    said = [await _everything(service, paths)]
    for fault in FAULTS:
        _strike(upstream, fault)
        said.append(await _run(service))
        upstream.faults.clear()
    said += [await _everything(service, paths), _arguments()]
    assert len(upstream.requests) > 20
    assert "****" in said[0]  # the name that held the keys
    assert "status 401" in said[1]
    assert await service.end() == 0

    assert _found("\n".join(said)) == []
    assert _found(service.log.read_text()) == []
    assert "admin.token_refused" in service.log.read_text()
    assert _found(await _database(database_url)) == []
    for seen in upstream.requests:
        assert _found(f"{seen.path} {seen.query}") == []
        if "****" not in seen.path:  # where a redirect led, which belongs to nobody
            assert _found(str(seen.headers)) == [KEY_OF[seen.source]]


@pytest.mark.parametrize("fault", FAULTS)
async def test_doctor_shows_no_key(upstream: Upstream, database_url: str, capsys: pytest.CaptureFixture[str], fault: str) -> None:
    """Whatever the sources answer, it says what is wrong and no more."""
    _strike(upstream, fault)
    await doctor(make_settings(**upstream.environment(DATABASE_URL=_with_password(database_url), **KEYS)))
    shown = "".join(capsys.readouterr())
    assert "coingecko" in shown
    assert _found(shown) == []


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_error_shows_no_key(upstream: Upstream, fault: str) -> None:
    """Nor its cause, nor what it is made of."""
    _strike(upstream, fault)
    settings = make_settings(**upstream.environment(**KEYS))
    http = HttpClient(settings, SystemClock(), random.Random(1))
    for source in (CoinGecko(settings.sources["coingecko"]), CoinPaprika(settings.sources["coinpaprika"])):
        error: BaseException | None = None
        try:
            await http.probe(source, settings.sources[source.name])
        except KasparroError as refused:
            error = refused
        assert error is not None or fault in {"names", "error in a 200"}  # which a ping may be answered with
        while error is not None:
            assert _found(f"{error!r} {error} {vars(error)}") == []
            error = error.__cause__ or error.__context__
    await http.close()


@pytest.mark.parametrize(
    ("arguments", "trouble"),
    [
        (("doctor",), "unreachable"),
        (("run-etl", "--json"), "unreachable"),
        (("migrate",), "refused"),
        (("export", "coins"), "refused"),
        (("serve",), "malformed"),
    ],
)
async def test_a_command_that_cannot_reach_its_database_shows_no_key(
    upstream: Upstream, database_url: str, tmp_path: Path, arguments: tuple[str, ...], trouble: str
) -> None:
    """The host is named, the password is not; and there is no traceback."""
    urls = {
        "unreachable": f"postgresql://us:{PASSWORD}@127.0.0.1:1/market",
        "refused": _with_password(database_url).replace("//postgres:", "//nobody:"),
        "malformed": f"postgresql://us:x/{PASSWORD}@127.0.0.1:1/market",
    }
    service = Service(upstream, tmp_path / "log", DATABASE_URL=urls[trouble], **KEYS)
    assert await service.run(*arguments) == (2 if trouble == "malformed" else 1)
    said = service.log.read_text()
    assert "DATABASE_URL" in said
    assert "Traceback" not in said
    assert _found(said) == []


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_local_variable(form: Any) -> None:
    """A fault of ours is logged with where it happened, and not with what was at hand there."""
    shown = io.StringIO()
    logs.configure(form, "debug", shown)
    try:
        _fail(make_settings(**KEYS))
    except LookupError:
        logs.get().exception("it.failed", token=TOKEN, authorization=f"Bearer {TOKEN}", settings=make_settings(**KEYS))
    assert "LookupError" in shown.getvalue()
    assert _found(shown.getvalue()) == []


def _fail(settings: Any) -> None:
    key = settings.sources["coingecko"].api_key.reveal()
    raise LookupError(str(len(key)))


def test_no_secret_can_be_written_by_accident() -> None:
    """As text, in a format, or as JSON."""
    settings = make_settings(DATABASE_URL=f"postgresql://us:{PASSWORD}@host/market", **KEYS)
    shown = [repr(settings), f"{settings}"]
    shown.append(msgspec.json.encode(msgspec.structs.asdict(settings), enc_hook=repr).decode())
    assert _found("".join(shown)) == []
