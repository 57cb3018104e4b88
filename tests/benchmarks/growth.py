"""How memory, start and costs grow with the market: 2,000, 20,000 and 200,000 coins, put into databases without any run."""

import asyncio
import sys
import time

from kasparro.resolver.resolve import RULES_DIGEST
from kasparro.settings import load
from kasparro.sources.coingecko import CoinGecko
from kasparro.sources.coinpaprika import CoinPaprika
from tests.benchmarks import load as loading
from tests.benchmarks.load import Wrk
from tests.benchmarks.processes import cpu_seconds, free_port, megabytes, output
from tests.benchmarks.report import Line, Topic, say
from tests.benchmarks.serving import Filled, Service, serving

SIZES = (2_000, 20_000, 200_000)
CHANGED = 2_250  # prices of an ordinary refresh

# Every coin has a listing at CoinGecko, every third one at CoinPaprika as well; half have a contract, nine of ten a price.
_MARKET = (
    """INSERT INTO listings (source, source_id, symbol, name, active, first_seen_at, last_seen_at)
    SELECT 'coingecko', 'made-coin-' || n, 'M' || n % ({size} * 4 / 5), 'Made Coin ' || n, true, now(), now()
    FROM generate_series(1, {size}) AS n""",
    """INSERT INTO listings (source, source_id, symbol, name, active, first_seen_at, last_seen_at)
    SELECT 'coinpaprika', 'm-made-coin-' || n, 'M' || n % ({size} * 4 / 5), 'Made Coin ' || n, true, now(), now()
    FROM generate_series(1, {size}, 3) AS n""",
    """INSERT INTO listing_contracts (source, source_id, platform, address)
    SELECT source, source_id, CASE source WHEN 'coingecko' THEN 'ethereum' ELSE 'eth-ethereum' END, '0x' || left(repeat(md5(name), 2), 40)
    FROM listings WHERE listing_id % 2 = 0""",
    """INSERT INTO coins (coin_id, symbol, name, founder, created_at, version)
    SELECT source_id, symbol, name, listing_id, now(), 1 FROM listings WHERE source = 'coingecko' ORDER BY listing_id""",
    """INSERT INTO coin_aliases (alias, coin_key, version)
    SELECT l.source_id, c.coin_key, 1 FROM listings AS l JOIN coins AS c USING (name) WHERE l.source = 'coinpaprika'""",
    """INSERT INTO judgements (listing_id, coin_key, verdict, rule, confidence, evidence, created_at, version)
    SELECT l.listing_id, c.coin_key, 'same', CASE WHEN c.founder = l.listing_id THEN 'founder' ELSE 'contract' END, 0.99, '{{}}', now(), 1
    FROM listings AS l JOIN coins AS c USING (name)""",
    """INSERT INTO latest_quotes (listing_id, run_id, observed_at, price, market_cap, volume_24h, fetched_at, recorded_at, raw)
    SELECT listing_id, 1, now(), 1 + listing_id / 7.0, 1e12 / listing_id, 1e9 / listing_id, now(), now(), '{{}}'
    FROM listings WHERE listing_id % 10 > 0""",
    """INSERT INTO latest_prices (coin_key, listing_id, published_at, observed_at, value, method, sources_used, confidence, flags,
        market_cap, volume_24h, version)
    SELECT c.coin_key, q.listing_id, now(), q.observed_at, q.price, 'newest', ARRAY['coingecko'], 0.5, ARRAY['single_source'],
        q.market_cap, q.volume_24h, 1
    FROM coins AS c JOIN latest_quotes AS q ON q.listing_id = c.founder""",
    """INSERT INTO runs (trigger, status, owner_host, owner_process, started_at, finished_at, lease_until, open)
    VALUES ('command', 'succeeded', 'none', 'none', now(), now(), now(), false)""",
    "UPDATE catalog_version SET version = 1, published_at = now(), published_run_id = 1, rules = decode('{rules}', 'hex')",
    "VACUUM ANALYZE",
)
# Every stream was asked a moment ago, so that nothing is due.
_ASKED = "INSERT INTO checkpoints (stream, part, ordinal, sweep, committed_at) VALUES ('{stream}', '{part}', 0, 1, now())"
_REPRICE = (
    f"""UPDATE latest_prices SET value = value * 1.01, published_at = now(), version = (SELECT version + 1 FROM catalog_version)
    WHERE coin_key IN (SELECT coin_key FROM latest_prices ORDER BY market_cap DESC LIMIT {CHANGED})""",
    "UPDATE catalog_version SET version = version + 1, published_at = now()",
)


async def _fill(filled: Filled, database: str, size: int) -> None:
    await filled.execute(f"CREATE DATABASE {database}")
    settings = load({"KASPARRO_DATA_DIR": str(filled.folder)})
    streams = [*CoinGecko(settings.sources["coingecko"]).streams, *CoinPaprika(settings.sources["coinpaprika"]).streams]
    asked = [_ASKED.format(stream=s.name, part=s.first_part) for s in streams]
    await output(sys.executable, "-m", "kasparro", "migrate", env={"HOME": str(filled.folder), "DATABASE_URL": filled.url(database)})
    made = [statement.format(size=size, rules=RULES_DIGEST.hex()) for statement in _MARKET]
    await filled.execute(*made, *asked, database=database)


async def _refresh(filled: Filled, service: Service, database: str) -> float:
    """CPU seconds of taking over new prices that somebody else has published."""
    before, idle = service.etag(), await service.idle_cpu(3.0)
    spent, began = cpu_seconds(service.pid), time.perf_counter()
    await filled.execute(*_REPRICE, database=database)
    await asyncio.sleep(3.0)
    used = cpu_seconds(service.pid) - spent - idle * (time.perf_counter() - began)
    assert service.etag() != before, "the new prices are not served"
    return used


async def _size(filled: Filled, size: int) -> dict[str, float | None]:
    """The figures of one size."""
    database = f"made_{size}"
    await _fill(filled, database, size)
    found: dict[str, float | None] = {}
    upstream = f"http://127.0.0.1:{free_port()}"  # nobody listens there, and nothing is due
    began = time.perf_counter()
    folder = filled.folder / database
    folder.mkdir()
    async with serving(folder, upstream, database_url=filled.url(database)) as service:
        await service.answering()
        found["start to first /data, s"] = time.perf_counter() - began
        await service.until_idle()
        found["start until idle, CPU s"] = cpu_seconds(service.pid)
        found["memory (VmRSS), MB"] = megabytes(service.pid, "VmRSS")
        found["memory (VmHWM), MB"] = megabytes(service.pid, "VmHWM")
        found["idle, CPU ms per s"] = 1_000 * await service.idle_cpu(3.0)
        found[f"{CHANGED:,} new prices served, CPU s"] = await _refresh(filled, service, database)
        if loading.missing() is None:
            wrk = Wrk(filled.folder)
            for target in ("/data?limit=50", "/data?limit=1000"):
                cost = await wrk.measure(service.pid, service.port, target, seconds=2)
                found[f"{target}, CPU us per request"] = cost.microseconds
        found["memory at the end (VmRSS), MB"] = megabytes(service.pid, "VmRSS")
    await filled.execute(f"DROP DATABASE {database}")
    return found


async def measure(filled: Filled) -> list[Topic]:
    """The table of growth."""
    found: dict[str, dict[str, float | None]] = {}
    for size in SIZES:
        say(f"  {size:,} coins")
        for what, value in (await _size(filled, size)).items():
            found.setdefault(what, {})[f"{size:,}\ncoins"] = value
    return [Topic("Growth", [Line(what, values) for what, values in found.items()], ["once each, over a database that is running"])]
