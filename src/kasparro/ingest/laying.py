"""Lays a source's listings into batches, and keeps them: what to ask for must not depend on which process asks."""

from collections.abc import Sequence

from kasparro import logs
from kasparro.clock import in_pieces
from kasparro.ingest import batches
from kasparro.ingest.part import Tools
from kasparro.ingest.progress import Progress
from kasparro.records import Checkpoint
from kasparro.sources.base import Source, Stream
from kasparro.store import checkpoints, listings, runs

log = logs.get()


async def lay_batches(tools: Tools, run_id: int, source: Source, progress: Progress) -> None:
    """Lay the streams of a source that are asked for by ids, where that is due. Raises RunLostError where the run was taken over."""
    for stream in source.streams:
        if not stream.batch_listings:
            continue
        parts = progress.parts(stream.name)
        if batches.lay_due(parts, tools.clock.now()):
            await _lay_anew(tools, run_id, source, stream, progress)
        elif any(c.ids for c in parts):
            await _let_join(tools, run_id, source, stream, progress)


async def _lay_anew(tools: Tools, run_id: int, source: Source, stream: Stream, progress: Progress) -> None:
    parts = progress.parts(stream.name)
    async with tools.database.read(snapshot=True, timeout_seconds=tools.settings.command_timeout_seconds) as conn:
        traded = [listing async for some in listings.traded(conn, source.name) for listing in some]
    laid = await in_pieces(batches.lay(stream, traded, parts, tools.clock.now()), tools.clock)
    if laid:
        await _keep(tools, run_id, stream, progress, laid, [c.part for c in parts])


async def _let_join(tools: Tools, run_id: int, source: Source, stream: Stream, progress: Progress) -> None:
    async with tools.database.read() as conn:
        newcomers = await listings.newcomers(conn, source.name, stream.name)
    if newcomers:
        laid = batches.join(stream, newcomers, progress.parts(stream.name), tools.clock.now())
        await _keep(tools, run_id, stream, progress, laid, ())


async def _keep(tools: Tools, run_id: int, stream: Stream, progress: Progress, laid: Sequence[Checkpoint], gone: Sequence[str]) -> None:
    async with tools.database.write() as conn:
        await runs.renew_lease(conn, run_id, tools.settings.lease_seconds)
        await checkpoints.lay(conn, stream.name, laid, gone)
    progress.lay(stream.name, laid, gone)
    log.info("batches.laid", stream=stream.name, run_id=run_id, batches=len(laid), listings=sum(len(c.ids) for c in laid))
