"""Tells a person who watches the demo what happens and what to look at. Strikes with the fault and takes it back."""

from collections.abc import Callable

from kasparro.demo.faults import HARMLESS, MODES
from kasparro.demo.server import MarketServer
from kasparro.records import RunSummary

RUNS_STRUCK = 2  # so many runs see the fault before it is over


class Story:
    """Is told of every run that ends: the first is undisturbed, the next ones see the fault, the rest recover."""

    def __init__(self, market: MarketServer, say: Callable[[str], None], address: str, refresh_seconds: int, fault: str | None) -> None:
        self._market, self._say, self._address, self._refresh, self._fault = market, say, address, refresh_seconds, fault
        self._runs_struck: int | None = None  # None: the fault has not struck yet
        self._recovered = fault is None

    def run_ended(self, summary: RunSummary) -> None:
        """Say how a run fared, and what comes next."""
        self._say(_told(summary))
        if self._runs_struck is None:
            self._begin()
        elif self._market.fault is not None:
            self._runs_struck += 1
            if self._runs_struck == RUNS_STRUCK:
                self._market.fault = None
                self._say(f"The fault is over. A run within the next {self._refresh} s recovers, as soon as CoinGecko is asked again.")
        elif not self._recovered and summary.status == "succeeded":
            self._recovered = True
            self._say("Recovered: /health is ok again. Ctrl-C ends the demo and leaves nothing behind.")

    def _begin(self) -> None:
        self._runs_struck = 0
        self._say(
            "There is something to see, in a browser or another terminal:\n"
            f"    {self._address}/                          the market, as it is now\n"
            f"    curl -s '{self._address}/data?limit=3'    prices; they move with each run\n"
            f"    curl -s '{self._address}/health'          whether all is well, and what is not\n"
            f"    curl -s '{self._address}/runs?limit=3'    what each run did\n"
            f"    {self._address}/docs                      the whole API"
        )
        if self._fault is None:
            self._say(f"A run every {self._refresh} s. Ctrl-C ends the demo and leaves nothing behind.")
            return
        self._market.fault = self._fault
        watch = "Watch /health say what is wrong while /data is served on."
        if self._fault in HARMLESS:
            watch = "What cannot be used is kept as a reject, and the rest is stored: the source is well."
        self._say(
            f"From now on every answer of CoinGecko has the fault {self._fault!r}: {MODES[self._fault]}.\n"
            f"It strikes {RUNS_STRUCK} runs, the first of which begins within {self._refresh} s. {watch}"
        )


def _told(summary: RunSummary) -> str:
    seconds = (summary.finished_at - summary.started_at).total_seconds() if summary.finished_at else 0.0
    lines = [f"Run {summary.run_id}: {summary.status} in {seconds:.1f} s."]
    for s in summary.sources:
        rejected = f", {s.rows_rejected:,} rejected" if s.rows_rejected else ""
        counts = f"{s.rows_received:,} rows, {s.rows_written + s.rows_revised:,} written{rejected}"
        lines.append(f"    {s.source}: {s.outcome}, {counts}" + (f": {s.error}" if s.error else ""))
    return "\n".join(lines)
