"""What judging everything from nothing may take."""

import pytest

from tests.benchmarks.identity import made_up
from tests.benchmarks.identity_costs import MB, measured


@pytest.mark.slow
def test_a_listing_takes_little_memory() -> None:
    """Judged from nothing, a listing takes 1,400 bytes where nearly all have a contract, a price and a partner: on a real market, less."""
    rows = made_up().rows
    assert measured(rows).megabytes * MB / len(rows) < 1_400
