"""What the API is given by the composition root."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from kasparro.catalog.catalog import CatalogHolder
from kasparro.clock import Clock
from kasparro.metrics import Metrics
from kasparro.records import RunSummary, Trigger
from kasparro.settings import Settings
from kasparro.sources.manners import Manners
from kasparro.store.pool import Database


class RunHandle(Protocol):
    """A run that was begun and works on its own."""

    @property
    def run_id(self) -> int: ...

    @property
    def done(self) -> "asyncio.Future[RunSummary]":
        """Ends with the run."""


class Runner(Protocol):
    """Begins runs."""

    async def begin(self, trigger: Trigger, *, sources: tuple[str, ...] | None, full: bool) -> RunHandle:
        """Begin a run of the given sources (None: all) and return once it is open. Raises RunOpenError where another works."""


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """Everything that a request may need."""

    settings: Settings
    clock: Clock
    catalog: CatalogHolder
    database: Database
    runner: Runner
    random: random.Random
    metrics: Metrics = field(default_factory=Metrics)
    manners: Mapping[str, Manners] = field(default_factory=dict)  # towards each source that this process asks
    admin_wait_seconds: float = 60.0  # how long POST /admin/run-etl?wait=true waits
