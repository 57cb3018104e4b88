"""The benchmarks: `make bench ARGS=help` lists them.

Machines are shared: take the ratios and the CPU seconds, not the wall-clock figures.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from tests.benchmarks import budget, costs, first_run, growth, identity, latency, profile, reads
from tests.benchmarks.processes import busy_cores
from tests.benchmarks.report import Line, Topic, say, show, write
from tests.benchmarks.serving import Filled, filled

ROUNDS = 3
BUSY_CORES_MAX = 0.1

Measure = Callable[[Filled, argparse.Namespace], Awaitable[list[Topic]]]
# name -> what it shows, and how it is measured on a database that a market fills
BENCHMARKS: dict[str, tuple[str, Measure]] = {
    "reads": ("CPU per request of ours, nginx and the usual stack", lambda f, a: reads.measure(f, a.rounds, a.seconds)),
    "costs": ("CPU of refreshes, memory, start", lambda f, a: costs.measure(f, a.rounds)),
    "growth": ("memory, start and costs with 2,000, 20,000 and 200,000 coins", lambda f, _: growth.measure(f)),
    "first-run": ("a first run beside /health", lambda f, a: first_run.measure(f, a.rounds)),
    "latency": ("/data and /health at fixed rates, idle and during a full run", lambda f, a: latency.measure(f, a.rounds)),
    "profile": ("where time goes; only if it is named", lambda f, _: profile.measure(f)),
}
IDENTITY, BUDGET, HELP = "identity", "budget", "help"
USUAL = (IDENTITY, BUDGET, *(name for name in BENCHMARKS if name != "profile"))


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What to measure and how. Ends the process with a message where that can't be understood, and after help."""
    listed = {IDENTITY: "how well listings are told apart, on our own market and those in KASPARRO_TEST_MARKETS"}
    listed |= {BUDGET: "a month of each plan, simulated: calls, and how old the quotes are"}
    listed |= {name: what for name, (what, _) in BENCHMARKS.items()}
    parser = argparse.ArgumentParser(
        prog="make bench ARGS='...'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="\n".join(f"  {name:10} {what}" for name, what in listed.items()),
        epilog="The market is a made-up one, or KASPARRO_TEST_UPSTREAM=http://host:port that serves both sources and moves by POST /_tick.",
    )
    parser.add_argument("names", nargs="*", metavar="BENCHMARK", help="one or several of these; all but profile if none is named")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often everything is measured ({ROUNDS})")
    parser.add_argument("--seconds", type=float, default=2.0, help="of load per measurement of a read (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures of this run, but those of identity and budget")
    found = parser.parse_args(given)
    if HELP in found.names:
        parser.print_help()
        parser.exit()
    unknown = [name for name in found.names if name not in listed]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(listed)}")
    return found


async def measure(names: Sequence[str], given: argparse.Namespace) -> list[Topic]:
    """One benchmark after the other on one filled database; each one's tables as soon as they are there."""
    with tempfile.TemporaryDirectory(prefix="kasparro-bench-") as folder:
        busy = busy_cores()
        if busy > BUSY_CORES_MAX:
            say(f"others keep {busy:.1f} cores busy: latencies and requests per second say little, CPU a little too much")
        topics = [Topic("Machine", [Line("cores that others keep busy", {"before": busy})])]
        say("filling a database")
        async with filled(Path(folder)) as made:
            for name in names:
                say(name)
                found = await BENCHMARKS[name][1](made, given)
                show(found)
                topics += found
    return topics


def main() -> None:
    """Measure what is asked for."""
    given = arguments(sys.argv[1:])
    names = given.names or USUAL
    if IDENTITY in names:
        identity.main()
    if BUDGET in names:
        budget.main()
    others = [name for name in BENCHMARKS if name in names]
    if others:
        topics = asyncio.run(measure(others, given))
        if given.json is not None:
            write(topics, given.json)


if __name__ == "__main__":
    main()
