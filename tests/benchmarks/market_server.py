"""A made-up market of the size of the real one, served by a process of its own until it is ended. POST /_tick {"minutes": 1} moves it."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from kasparro.demo.market import made_market
from tests.upstream.server import Upstream


async def main() -> None:
    """Print the address, then serve."""
    upstream = Upstream(made_market(gecko=19_500, coins=56_500, tickers=2_000))
    upstream.observed_at -= timedelta(hours=1)  # room to move on before now
    await upstream.start()
    print(upstream.url, flush=True)  # noqa: T201  # the parent reads it
    await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
