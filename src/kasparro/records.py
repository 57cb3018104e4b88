"""The nouns of the service as frozen values. This module imports nothing of ours.

Times are aware UTC datetimes: `observed_at` is the source's clock, `fetched_at` ours. Amounts are float64 in US dollars
as the source published them, unrounded; `None` where a source says nothing or says 0 for "unknown".
"""

from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Literal, TypeAlias, TypeVar

import msgspec

Verdict: TypeAlias = Literal["same", "different", "unsure"]
Outcome: TypeAlias = Literal["succeeded", "degraded", "failed", "skipped"]
RunStatus: TypeAlias = Literal["running", "succeeded", "degraded", "failed", "interrupted", "abandoned"]
Trigger: TypeAlias = Literal["start", "schedule", "command", "admin", "replay"]

T = TypeVar("T")

# Long pure work is a generator that yields wherever the event loop may take over, and returns its answer.
Pieces: TypeAlias = Generator[None, None, T]

Courses: TypeAlias = Mapping[int, tuple[tuple[float, float], ...]]  # listing -> (seconds since 1970, price), oldest first


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of every record. Each says `frozen=True, kw_only=True` again: type checkers do not inherit the one, msgspec not the other.

    None holds a cycle: the garbage collector, which would have to walk over hundreds of thousands of them and hold the event
    loop meanwhile, leaves them out.
    """


class Listing(Record, frozen=True, kw_only=True):
    """A coin as one source names it."""

    source: str
    source_id: str
    symbol: str  # upper case, as shown; never an identity
    name: str
    active: bool | None = None  # None: this stream does not say


class ListingContract(Record, frozen=True, kw_only=True):
    """A contract address that a source gives for a listing."""

    source_id: str
    platform: str  # as the source itself names the chain
    address: str  # as the source spells it


class Quote(Record, frozen=True, kw_only=True):
    """One price observation of one listing, at the source's own time."""

    source_id: str
    observed_at: datetime
    price: float  # finite and above zero
    market_cap: float | None
    volume_24h: float | None
    ath_price: float | None  # the listing's all-time high
    ath_at: datetime | None
    raw: bytes  # the source's row as it came, JSON


class Point(Record, frozen=True, kw_only=True):
    """What a listing cost at some time in the past, as its source tells it afterwards."""

    observed_at: datetime
    price: float  # finite and above zero
    market_cap: float | None
    volume_24h: float | None


class ExchangeRate(Record, frozen=True, kw_only=True):
    """What one US dollar costs in another currency, as a source says it."""

    currency: str  # lower case: "eur"
    per_usd: float


class Reject(Record, frozen=True, kw_only=True):
    """A row that could not be used, with the reason."""

    source_id: str | None
    reason: str  # one short phrase from a bounded set: "price is not a number"
    row: bytes  # as it came, cut to 2,000 bytes


class Page(msgspec.Struct, kw_only=True):
    """What one request's body says, parsed. The only record that is filled step by step, while it is parsed."""

    rows_received: int = 0
    rows_without_price: int = 0  # rows of a stream of quotes that carry no usable price or time
    listings: list[Listing] = msgspec.field(default_factory=list)
    contracts: list[ListingContract] = msgspec.field(default_factory=list)
    quotes: list[Quote] = msgspec.field(default_factory=list)
    rates: list[ExchangeRate] = msgspec.field(default_factory=list)
    rejects: list[Reject] = msgspec.field(default_factory=list)
    next_parts: tuple[str, ...] = ()  # parts of the same stream that this answer makes known, in order
    is_index: bool = False  # they are all that the stream has besides this one
    is_last: bool = False  # the stream has no part after this one


class Request(Record, frozen=True, kw_only=True):
    """One call to a source: which part it fetches and how."""

    source: str
    stream: str
    part: str
    path: str  # below the source's base URL, with its leading slash
    query: tuple[tuple[str, str], ...] = ()


class Checkpoint(Record, frozen=True, kw_only=True):
    """What is known of one part of a stream. A part that is known and was never committed has sweep 0."""

    stream: str
    part: str
    ordinal: int  # the part's place in its stream, from 0
    sweep: int = 0  # the number of the sweep in which it was last committed
    committed_at: datetime | None = None
    rows: int = 0
    digest: bytes = b""  # sha256 of the body last committed
    peak_rows: int = 0  # rows of the last answer that was taken as whole: what a shrunken one is measured against
    # Of a batch, a part that names the listings that it asks for; a part of the source's own making has none of these.
    ids: tuple[str, ...] = ()  # their source ids
    absent: tuple[str, ...] = ()  # those of them for which the last answer had no price
    weight: float = 0.0  # the volume that they traded in a day, when the batch was laid
    laid_at: datetime | None = None


class PartResult(Record, frozen=True, kw_only=True):
    """What committing one part did."""

    rows_received: int = 0
    rows_rejected: int = 0
    listings_written: int = 0
    quotes_written: int = 0
    quotes_revised: int = 0
    other_written: int = 0  # contracts and exchange rates

    @property
    def rows_written(self) -> int:
        """Everything that was new in the database, revisions left out."""
        return self.listings_written + self.quotes_written + self.other_written


class NamedRow(Record, frozen=True, kw_only=True):
    """What one listing is called."""

    listing_id: int
    source: str
    source_id: str
    symbol: str
    name: str


class EvidenceRow(Record, frozen=True, kw_only=True):
    """What is known of one listing when it is judged: identity, contracts and its latest quote."""

    listing_id: int
    source: str
    source_id: str
    symbol: str
    name: str
    active: bool
    contracts: tuple[tuple[str, str], ...]  # (platform, address) as the source spells them
    settled: bool  # all that its source will say of it for now has been read once: nothing is gained by waiting
    price: float | None = None
    observed_at: datetime | None = None
    market_cap: float | None = None
    volume_24h: float | None = None
    ath_price: float | None = None
    ath_at: datetime | None = None
    first_seen_at: datetime | None = None  # when we first saw the listing; None: not known, taken as the oldest
    course: tuple[tuple[float, float], ...] = ()  # (seconds since 1970, price), oldest first; read only where a judgement is open


class Judgement(Record, frozen=True, kw_only=True):
    """That a listing is, or is not, a coin, with why."""

    listing_id: int
    coin_id: str
    verdict: Verdict
    rule: str
    confidence: float  # 0 to 1
    evidence: bytes  # JSON: by tens of thousands, so that a dictionary each would be many times as large
    decided_by: str = "rule"  # "rule" or "person"
    note: str | None = None  # a person's
    judgement_id: int | None = None  # None: not stored yet


class Said(Record, frozen=True, kw_only=True):
    """What a person's judgement, or its withdrawal, came to."""

    judgement_id: int
    listing_id: int
    coin_id: str  # the coin that was judged
    verdict: Verdict
    note: str | None
    now_coin_id: str  # the coin that the listing is after it
    catalog_version: int  # the first that shows it


class Coin(Record, frozen=True, kw_only=True):
    """The canonical entity. Its id is public and for ever."""

    coin_id: str
    symbol: str
    name: str
    merged_into: str | None = None
    coin_key: int | None = None  # grows with age: the smaller, the older. None: not stored yet
    wraps: str | None = None  # the coin that it stands for: Bitcoin for Wrapped Bitcoin
    founder: int | None = None  # the listing whose id the coin bears: where it goes, the coin goes


class Resolution(Record, frozen=True, kw_only=True):
    """What resolving changes: the difference to what is stored, nothing else."""

    coins: list[Coin]  # new, renamed or merged
    judgements: list[Judgement]  # new live judgements
    superseded: list[int]  # ids of judgements that no longer stand
    waiting: list[int] = msgspec.field(default_factory=list)  # listings that get a coin when their sources have said more


class CoinQuote(Record, frozen=True, kw_only=True):
    """A quote as seen by the choice of a price: of a listing that is judged `same` as the coin."""

    source: str
    listing_id: int
    price: float
    observed_at: datetime
    market_cap: float | None
    volume_24h: float | None


class Price(Record, frozen=True, kw_only=True):
    """What the service says a coin costs, in US dollars, and why."""

    value: float
    observed_at: datetime
    method: str
    sources_used: tuple[str, ...]
    listing_id: int  # the listing whose quote was chosen
    spread_pct: float | None  # (highest - lowest) / lowest * 100 over the fresh quotes; None with one quote
    confidence: float  # 0 to 1
    flags: tuple[str, ...]
    market_cap: float | None
    volume_24h: float | None


class SourceSummary(Record, frozen=True, kw_only=True):
    """How one source fared in one run."""

    source: str
    outcome: Outcome
    error: str | None = None  # for a person: what happened and, where there is something to do, what
    calls: int = 0
    parts: int = 0
    rows_received: int = 0
    rows_written: int = 0
    rows_revised: int = 0
    rows_rejected: int = 0
    duration_seconds: float = 0.0


class Traded(Record, frozen=True, kw_only=True):
    """A listing as it is laid into a batch."""

    source_id: str
    volume: float | None  # of a day, US dollars
    quoted: bool  # it has had a quote


class Tier(Record, frozen=True, kw_only=True):
    """Listings of a source by traded volume: how often they are asked for, and how long ago they were. None: not now."""

    first: int  # place of the first, from 1
    last: int
    interval_seconds: float | None  # mean
    staleness_mean_seconds: float  # since the source was last asked for them
    staleness_max_seconds: float


class Outlook(Record, frozen=True, kw_only=True):
    """What a source's plan will spend. `limit` and what follows from it are None where the month has no limit."""

    used: int  # calls of this month, UTC
    limit: int | None
    left: int | None
    reserved: int | None  # of `left`: the schedule does not touch them
    calls_per_day: float  # the pace of the schedule now
    expected: int  # calls of the whole month, if it goes on at this pace
    resets_at: datetime
    tiers: tuple[Tier, ...]  # by traded volume, falling


class RunSummary(Record, frozen=True, kw_only=True):
    """One execution of the ingestion: the run row and the canonical log line are views of it, and the metrics are sums of run rows."""

    run_id: int
    trigger: Trigger
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None
    sources: tuple[SourceSummary, ...]


class Drift(Record, frozen=True, kw_only=True):
    """A field in which a source's answers no longer look as they used to."""

    field: str  # a path: "current_price", "quotes.USD.price"
    kind: Literal["missing", "type", "new"]
    verdict: Literal["accept", "warn", "reject"]  # what is done about it
    share: float  # of the rows, 0 to 1
    suggestion: str | None = None  # the field that took its place, perhaps; never used by itself
    score: float | None = None  # how well that one fits, 0 to 1
