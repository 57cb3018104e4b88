"""Bytes that somebody else chose: at random from real answers for a minute each, and led by what code they reach where that can be had."""

import asyncio
import importlib.util
import os
import random
import sys
from datetime import timedelta
from pathlib import Path
from time import monotonic

import hypothesis
import pytest
from hypothesis import HealthCheck, given

from kasparro.ingest.run import run_once
from kasparro.store.pool import Database
from tests.ingest.scene import scene
from tests.torture.fuzzing import mutated, targets
from tests.upstream.server import Seen

pytestmark = pytest.mark.torture

SECONDS = float(os.environ.get("KASPARRO_TEST_FUZZ_SECONDS", "60"))
TARGETS = targets()


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_rejects_and_errors_of_ours_comes_of_it(name: str, seed: int) -> None:
    """A parser, or the reader of cursors, over what is changed at random: whatever it takes can be stored, and it never takes long."""
    target, began, rounds = TARGETS[name], monotonic(), 0

    @hypothesis.settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated(target.corpus))
    def look(body: bytes) -> None:
        target.read(body)

    while monotonic() - began < SECONDS:
        hypothesis.seed(seed + rounds)(look)()
        rounds += 1
    print(f"{name}: {300 * rounds:,} bodies")  # noqa: T201  # shown with -s


@pytest.mark.parametrize("name", TARGETS)
async def test_nothing_else_is_found_by_what_follows_the_code(name: str, tmp_path: Path) -> None:
    """The same, with inputs kept that reach code which none before has reached."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed (pip install atheris, where it has a wheel)")
    command = [sys.executable, "-m", "tests.torture.fuzz_by_coverage", name, str(tmp_path / "corpus"), f"-max_total_time={SECONDS:.0f}"]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), SECONDS + 120)
    assert process.returncode == 0, said.decode(errors="replace")[-6_000:]


def _variants(body: bytes, seed: int) -> list[bytes]:
    made: list[bytes] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated([body]))
    def make(changed: bytes) -> None:
        made.append(changed)

    make()
    return made


async def test_whatever_sources_answer_a_run_ends_in_order(db: Database, seed: int) -> None:
    """Every third answer is spoilt: no fault of ours comes of it, the database takes all that is taken, and a good day mends everything."""
    chance, began, runs, spoilt = random.Random(seed), monotonic(), 0, 0
    variants: dict[tuple[str, str], list[bytes]] = {}
    async with scene(db) as here:
        await run_once(here.ingest, "command", full=True)
        honest = here.upstream._body

        def answer(seen: Seen) -> tuple[int, bytes]:
            nonlocal spoilt
            status, body = honest(seen)
            if chance.random() > 0.3:
                return status, body
            spoilt += 1
            kind = (seen.source, seen.path)
            if kind not in variants:
                variants[kind] = _variants(body, seed)
            return status, chance.choice(variants[kind])

        here.upstream._body = answer  # type: ignore[method-assign]
        while monotonic() - began < SECONDS:
            here.pass_time(timedelta(minutes=30))
            summary = await run_once(here.ingest, "command", full=True)
            runs += 1
            assert "a fault in this program" not in str(summary), summary
        here.upstream._body = honest  # type: ignore[method-assign]
        for _ in range(3):  # a source that was left alone is asked again after a while
            here.pass_time(timedelta(days=1))
            summary = await run_once(here.ingest, "command", full=True)
        assert {source.outcome for source in summary.sources} == {"succeeded"}, summary
        assert await here.fresh("coingecko")
        assert await here.fresh("coinpaprika")
    print(f"{runs} runs, {spoilt} spoilt answers")  # noqa: T201  # shown with -s
    assert spoilt > runs / 2
