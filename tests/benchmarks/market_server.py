"""A made-up market of the size of the real one, served by a process of its own until it is ended: `python -m … [coins]`."""

import asyncio

from kasparro.demo.market import made_market
from tests.upstream.server import Upstream


async def main() -> None:
    """Print the address, then serve."""
    upstream = Upstream(made_market(gecko=19_500, coins=56_500, tickers=2_000))
    await upstream.start()
    print(upstream.url, flush=True)  # noqa: T201  # the parent reads it
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
