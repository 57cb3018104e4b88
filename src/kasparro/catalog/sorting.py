"""Sorting so much that one call would hold the event loop too long."""

from bisect import bisect_left
from typing import Any, TypeVar

from kasparro.records import Pieces

_RUN_ROWS = 1_000
_SAMPLES_PER_RUN = 16

T = TypeVar("T", bound=tuple[Any, ...])


def sort_in_pieces(rows: list[T], run_rows: int = _RUN_ROWS) -> Pieces[list[T]]:
    """The rows in order, yielding after every few thousand comparisons.

    Runs are sorted on their own; then all are cut at the same values, so that what lies between two cuts is sorted on its own, too.
    """
    runs: list[list[T]] = []
    for start in range(0, len(rows), run_rows):
        runs.append(sorted(rows[start : start + run_rows]))
        yield
    if len(rows) <= run_rows:
        return runs[0] if runs else []
    step = max(1, run_rows // _SAMPLES_PER_RUN)
    cuts = sorted(row for run in runs for row in run[step // 2 :: step])[_SAMPLES_PER_RUN // 2 :: _SAMPLES_PER_RUN]
    yield
    result: list[T] = []
    places = [0] * len(runs)
    for cut in [*cuts, None]:
        between: list[T] = []
        for number, run in enumerate(runs):
            end = len(run) if cut is None else bisect_left(run, cut, places[number])
            between += run[places[number] : end]
            places[number] = end
        between.sort()
        result += between
        yield
    return result
