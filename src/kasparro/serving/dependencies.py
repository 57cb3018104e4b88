"""What the API is given by the composition root."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from kasparro.catalog.catalog import CatalogHolder
from kasparro.clock import Clock
from kasparro.metrics import Metrics
from kasparro.records import Checkpoint, Outlook, RunSummary, Said, Trigger, Verdict
from kasparro.serving.cors import Cors
from kasparro.serving.rate_limit import RateLimit
from kasparro.serving.readers import Readers
from kasparro.serving.token import TokenCheck
from kasparro.settings import Settings
from kasparro.sources.manners import Manners
from kasparro.store.figures import Figures
from kasparro.store.pool import Database


class RunHandle(Protocol):
    """A run that was begun and works on its own."""

    @property
    def run_id(self) -> int: ...

    @property
    def done(self) -> "asyncio.Future[RunSummary]":
        """Ends with the run."""


class Outlooks(Protocol):
    """Says what the schedule will spend."""

    def outlook(self, source: str, known: Sequence[Checkpoint], used: int) -> Outlook:
        """Of a source, given its checkpoints and the calls that this month has seen."""


class Runner(Protocol):
    """Begins runs."""

    async def begin(self, trigger: Trigger, *, sources: tuple[str, ...] | None, full: bool) -> RunHandle:
        """Begin a run of the given sources (None: all) and return once it is open. Raises RunOpenError where another works."""


class Judge(Protocol):
    """Takes what a person says about identity, and carries it out at once."""

    async def say(self, source: str, source_id: str, coin_id: str, verdict: Verdict, note: str | None) -> Said:
        """Let a person's judgement stand: this listing is `same` as this coin, or `different`. `coin_id` may have been merged since.

        Raises NotKnownError (`listing_unknown`, `coin_unknown`), and RefusedError where it contradicts another person's judgement.
        """

    async def withdraw(self, judgement_id: int) -> Said:
        """Let the rules decide again where a person had. Raises NotKnownError (`judgement_unknown`), and RefusedError for a rule's."""


@dataclass
class KeptFigures:
    """The figures of the database that were read last; None: none yet."""

    kept: Figures | None = None
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)  # held by the one that reads: the others wait for what it finds


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """Everything that a request may need."""

    settings: Settings
    clock: Clock
    catalog: CatalogHolder
    database: Database
    runner: Runner
    judge: Judge
    outlooks: Outlooks
    random: random.Random
    readers: Readers
    metrics: Metrics = field(default_factory=Metrics)
    figures: KeptFigures = field(default_factory=KeptFigures)
    manners: Mapping[str, Manners] = field(default_factory=dict)  # towards each source that this process asks
    admin_wait_seconds: float = 60.0  # how long POST /admin/run-etl?wait=true waits

    @cached_property
    def cors(self) -> Cors:
        """Which other sites' pages may read."""
        return Cors(self.settings.cors_origins)

    @cached_property
    def token(self) -> TokenCheck:
        """Who may use what is under /admin."""
        return TokenCheck(self.settings)

    @cached_property
    def rate_limit(self) -> RateLimit | None:
        """What one client may ask; None: as much as it likes."""
        return RateLimit(self.settings) if self.settings.rate_limit_per_minute else None
