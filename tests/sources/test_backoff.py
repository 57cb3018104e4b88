"""Waiting before the next attempt."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasparro.sources.backoff import MOST_SECONDS, RETRY_AFTER_SECONDS_MAX, full_jitter, retry_after

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


@settings(max_examples=50, deadline=None)
@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_waits_lie_anywhere_below_a_doubling_bound(attempt: int, seed: int) -> None:
    """1, 2, 4 ... seconds at most, and never more than the bound of all."""
    assert 0 <= full_jitter(attempt, random.Random(seed)) <= min(MOST_SECONDS, 2.0 ** min(attempt - 1, 20))


def test_waits_of_many_clients_are_spread() -> None:
    """Full jitter: nothing clusters at the bound."""
    waits = [full_jitter(4, random.Random(seed)) for seed in range(200)]
    assert min(waits) < 1
    assert max(waits) > 7


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 60 ", 60.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("Wed, 06 May 2026 07:09:09 GMT", 60.0),
        ("Wed, 06 May 2026 07:09:09 -0000", 60.0),
        ("Wed, 06 May 2026 09:09:09 +0200", 60.0),
        ("Wed, 06 May 2026 07:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_SECONDS_MAX),
        ("999999999999", RETRY_AFTER_SECONDS_MAX),
        ("-1", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("9" * 5_000, None),
        ("٣", None),
        ("Wed, 99 May 2026 07:09:09 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """Both forms of RFC 9110; what is neither says nothing."""
    assert retry_after(header, NOW) == seconds


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_no_header_does_harm(header: str) -> None:
    """Whatever is sent: seconds within bounds, or nothing."""
    found = retry_after(header, NOW)
    assert found is None or 0 <= found <= RETRY_AFTER_SECONDS_MAX
