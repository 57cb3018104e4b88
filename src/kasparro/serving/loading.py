"""The first seconds of a process: what needs more than lists show of the coins with a price waits until the catalog is complete."""

import asyncio
from collections.abc import Iterable

from kasparro.catalog.catalog import CatalogHolder
from kasparro.catalog.entries import Catalog
from kasparro.serving.problems import catalog_loading

WAIT_SECONDS = 5.0  # some times what reading 65,000 coins takes


async def whole(holder: CatalogHolder) -> Catalog:
    """The current catalog once it is complete. Raises ProblemError where that takes long."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await holder.complete.wait()
    except TimeoutError:
        raise catalog_loading() from None
    return holder.current


async def knowing(holder: CatalogHolder, ids: Iterable[str], *, every: bool = False) -> Catalog:
    """The current catalog, complete where some of these ids are not known yet, or every coin without a price is asked for."""
    catalog = holder.current
    return await whole(holder) if not holder.complete.is_set() and (every or not all(map(catalog.find, ids))) else catalog
