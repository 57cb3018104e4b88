"""What has not changed at its source does not come again."""

from datetime import timedelta

from kasparro.ingest.run import run_once
from kasparro.store.pool import Database
from tests.ingest.conftest import state
from tests.ingest.scene import scene
from tests.ingest.test_run import checkpoints, outcomes, written


async def test_a_body_that_is_known_need_not_come_again(db: Database) -> None:
    """A source that honours ETags sends nothing twice, and the part counts as committed; `--full` wants it all the same."""
    async with scene(db) as here:
        here.upstream.etags = True
        for _ in range(2):  # a first run may lay out the next ones' parts
            await run_once(here.ingest, "command")
            here.clock.ahead += timedelta(hours=1)
        before = await state(db)
        here.upstream.requests.clear()

        summary = await run_once(here.ingest, "command")

        assert outcomes(summary) == {"coingecko": "succeeded", "coinpaprika": "succeeded"}
        assert {r.path for r in here.upstream.requests} == {"/coins/markets", "/tickers"}
        assert all("if-none-match" in r.headers for r in here.upstream.requests)
        assert (written(summary), await state(db)) == (0, before)
        assert (await checkpoints(db))["coinpaprika.tickers all"] == 3
        here.upstream.requests.clear()
        await run_once(here.ingest, "command", full=True)
        assert not [r for r in here.upstream.requests if "if-none-match" in r.headers]


async def test_a_body_that_was_not_committed_is_read_again(db: Database) -> None:
    """What the database refused is not known: the next run has it come again, unchanged as it is, and commits it."""
    async with scene(db) as here:
        here.upstream.etags = True
        async with db.connection() as conn:
            await conn.execute("ALTER TABLE latest_quotes ADD CONSTRAINT refused CHECK (false)")
            refused = await run_once(here.ingest, "command")
            await conn.execute("ALTER TABLE latest_quotes DROP CONSTRAINT refused")
            here.clock.ahead += timedelta(hours=1)

            summary = await run_once(here.ingest, "command")

            quoted = await conn.fetch("SELECT source FROM latest_quotes JOIN listings USING (listing_id) GROUP BY source ORDER BY source")
        assert "succeeded" not in outcomes(refused).values()
        assert outcomes(summary) == {"coingecko": "succeeded", "coinpaprika": "succeeded"}
        assert [row["source"] for row in quoted] == ["coingecko", "coinpaprika"]
