"""The first seconds of a process: what needs more than lists show of the coins with a price waits until the catalog is complete."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from kasparro.catalog.catalog import CatalogHolder
from kasparro.catalog.entries import Catalog
from kasparro.serving.problems import catalog_loading

WAIT_SECONDS = 5.0  # some times what reading 65,000 coins takes


def is_known(holder: CatalogHolder) -> bool:
    """Whether the database has said what there is, if only that there is nothing."""
    return holder.current.version != 0 or holder.complete.is_set()


async def begun(holder: CatalogHolder) -> Catalog:
    """The current catalog once it is known what there is. Raises ProblemError where the first look at it takes long or has failed."""
    if not is_known(holder):
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await holder.looked.wait()
        if not is_known(holder):
            raise catalog_loading()
    return holder.current


async def whole(holder: CatalogHolder) -> Catalog:
    """The current catalog once it is complete. Raises ProblemError where that takes long."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await holder.complete.wait()
    except TimeoutError:
        raise catalog_loading() from None
    return holder.current


async def knowing(holder: CatalogHolder, ids: Iterable[str], *, every: bool = False) -> Catalog:
    """As begun, and complete where some of these ids are not known yet, or every coin without a price is asked for."""
    catalog = await begun(holder)
    return await whole(holder) if not holder.complete.is_set() and (every or not all(map(catalog.find, ids))) else catalog
