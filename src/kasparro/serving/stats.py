"""What was ingested, how whole and how old it is, per source: /stats, and the page of the runs."""

from datetime import datetime, timedelta

import msgspec

from kasparro.clock import month_of
from kasparro.records import Outlook
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.drift import FieldDrift, drift_by_source
from kasparro.serving.operations import Shape
from kasparro.settings import SourceSettings
from kasparro.store import checkpoints, run_history
from kasparro.store.run_history import ListingCounts, SourceStanding, SourceTotals, StreamCoverage

TOTALS_SPAN = timedelta(days=1)
REJECT_REASONS_MAX = 50


class Figures(Shape, frozen=True, kw_only=True):
    """What runs did, added up."""

    runs: int = 0
    calls: int = 0
    rows_received: int = 0
    rows_written: int = 0
    rows_revised: int = 0
    rows_rejected: int = 0
    duration_seconds: float = 0.0


class Budget(Shape, frozen=True, kw_only=True):
    """Calls of this month, UTC. `limit`, `left` and `reserved` are null where the plan states no number."""

    used: int
    limit: int | None
    left: int | None
    reserved: int | None  # of `left`: only runs that a person starts may use them
    per_minute: int
    calls_per_day: float  # what the schedule makes at its present pace
    expected: int  # what the whole month will have used at that pace
    resets_at: datetime


class Tier(Shape, frozen=True, kw_only=True):
    """Listings by traded volume, places `first` to `last`: how often the schedule asks for them, and how long ago the source was asked."""

    first: int
    last: int
    interval_seconds: float | None  # mean; null where nothing can be asked for, or the market was not read once yet
    staleness_mean_seconds: float
    staleness_max_seconds: float


class Coverage(Shape, frozen=True, kw_only=True):
    """How much of a stream is in the database."""

    stream: str
    parts: int
    parts_committed: int
    share: float  # of the known parts, 0 to 1
    rows: int
    oldest_commit_at: datetime | None
    newest_commit_at: datetime | None


class Staleness(Shape, frozen=True, kw_only=True):
    """How old the latest quotes of a source are, at its own time."""

    listings: int
    active: int
    quoted: int
    oldest_observed_at: datetime | None
    newest_observed_at: datetime | None


class SourceStats(Shape, frozen=True, kw_only=True):
    """One source."""

    last_run_id: int | None
    last_outcome: str | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_error: str | None
    last_day: Figures
    budget: Budget
    coverage: list[Coverage]
    staleness: Staleness
    tiers: list[Tier]
    drift: list[FieldDrift]


class Rejects(Shape, frozen=True, kw_only=True):
    """Rows of the last day that could not be used, by reason."""

    stream: str
    reason: str
    rows: int


class Totals(Shape, frozen=True, kw_only=True):
    """All sources together."""

    coins: int
    coins_priced: int
    listings: int
    catalog_version: int
    published_at: datetime | None
    last_day: Figures


class Stats(Shape, frozen=True, kw_only=True):
    """Everything."""

    sources: dict[str, SourceStats]
    totals: Totals
    rejects: list[Rejects]


async def stats_of(services: Dependencies) -> Stats:
    """One snapshot of all figures."""
    now = services.clock.now()
    names = list(services.settings.sources)
    async with services.database.read(snapshot=True) as conn:
        totals = {t.source: t for t in await run_history.read_source_totals(conn, now - TOTALS_SPAN)}
        calls = await run_history.read_calls(conn, month_of(now))
        coverage = await run_history.read_coverage(conn)
        counts = {c.source: c for c in await run_history.read_listing_counts(conn)}
        known = await checkpoints.select(conn)
        rejects = await run_history.read_reject_reasons(conn, now - TOTALS_SPAN, REJECT_REASONS_MAX)
        drift = await drift_by_source(conn)
        standing = {s.source: s for s in (await run_history.read_standing(conn, names)).sources}
    sources = {
        name: _source(settings, standing[name], totals.get(name), outlook, coverage, counts.get(name), drift.get(name, []))
        for name, settings in services.settings.sources.items()
        for outlook in [services.outlooks.outlook(name, known, calls.get(name, 0))]
    }
    return Stats(
        sources=sources,
        totals=_totals(services, list(sources.values())),
        rejects=msgspec.convert(rejects, list[Rejects], from_attributes=True),
    )


def _source(
    settings: SourceSettings,
    standing: SourceStanding,
    totals: SourceTotals | None,
    outlook: Outlook,
    coverage: list[StreamCoverage],
    counts: ListingCounts | None,
    drift: list[FieldDrift],
) -> SourceStats:
    return SourceStats(
        last_run_id=standing.last_run_id,
        last_outcome=standing.outcome,
        last_success_at=standing.last_success_at,
        last_failure_at=standing.last_error_at,
        last_error=standing.last_error,
        last_day=Figures() if totals is None else msgspec.convert(totals, Figures, from_attributes=True),
        budget=Budget(
            used=outlook.used,
            limit=outlook.limit,
            left=outlook.left,
            reserved=outlook.reserved,
            per_minute=settings.calls_per_minute,
            calls_per_day=outlook.calls_per_day,
            expected=outlook.expected,
            resets_at=outlook.resets_at,
        ),
        coverage=[
            Coverage(
                stream=c.stream,
                parts=c.parts,
                parts_committed=c.parts_committed,
                share=c.parts_committed / c.parts,
                rows=c.rows,
                oldest_commit_at=c.oldest_commit_at,
                newest_commit_at=c.newest_commit_at,
            )
            for c in coverage
            if c.stream.partition(".")[0] == settings.name
        ],
        drift=drift,
        staleness=Staleness(listings=0, active=0, quoted=0, oldest_observed_at=None, newest_observed_at=None)
        if counts is None
        else msgspec.convert(counts, Staleness, from_attributes=True),
        tiers=msgspec.convert(outlook.tiers, list[Tier], from_attributes=True),
    )


def _totals(services: Dependencies, sources: list[SourceStats]) -> Totals:
    catalog, days = services.catalog.current, [source.last_day for source in sources]
    return Totals(
        coins=len(catalog.entries),
        coins_priced=len(catalog.orders.rank),
        listings=sum(source.staleness.listings for source in sources),
        catalog_version=catalog.version,
        published_at=catalog.published_at,
        last_day=Figures(
            runs=max((day.runs for day in days), default=0),
            calls=sum(day.calls for day in days),
            rows_received=sum(day.rows_received for day in days),
            rows_written=sum(day.rows_written for day in days),
            rows_revised=sum(day.rows_revised for day in days),
            rows_rejected=sum(day.rows_rejected for day in days),
            duration_seconds=sum(day.duration_seconds for day in days),
        ),
    )
