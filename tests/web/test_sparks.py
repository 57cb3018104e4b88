"""How a coin's last week is drawn and compared."""

from datetime import timedelta

import pytest

from kasparro.sources.coingecko import CoinGecko
from kasparro.sources.day_change import PATHS
from kasparro.web.sparks import day_ago, line
from tests.api.conftest import Server
from tests.api.factory import NOW, Market
from tests.web.test_pages import page

HOUR = timedelta(hours=1)


def test_a_week_is_drawn_from_left_to_right() -> None:
    """The newest close is at the right edge, the lowest at the bottom and the highest at the top."""
    times = [NOW - 7 * 24 * HOUR + n * HOUR for n in range(168)]
    points = line(times, [float(n) for n in range(168)], NOW).split()
    assert len(points) <= 60
    assert points[-1] == "100.0,0.0"
    assert float(points[0].partition(",")[2]) > 25


def test_a_price_that_stands_still_is_a_line_in_the_middle() -> None:
    """Nothing is divided by nothing."""
    times = [NOW - n * HOUR for n in (3, 2, 1)]
    assert [point.partition(",")[2] for point in line(times, [1e-18] * 3, NOW).split()] == ["13.0"] * 3


def test_two_closes_are_no_course() -> None:
    """With less than three nothing is drawn."""
    assert line([NOW - HOUR, NOW], [1.0, 2.0], NOW) == ""


@pytest.mark.parametrize(("hours", "expected"), [((30, 25, 24, 1), 2.0), ((27,), 1.0), ((40, 28.5, 1), None), ((23,), None), ((), None)])
def test_a_day_ago_is_the_last_hour_that_had_ended(hours: tuple[float, ...], expected: float | None) -> None:
    """An hour or two without a quote are bridged; a longer gap leaves the change unknown."""
    times = [NOW - n * HOUR for n in hours]
    assert day_ago(times, [float(n) for n in range(1, len(hours) + 1)], NOW) == expected


async def test_on_the_first_day_the_source_tells_the_change(api: Server, market: Market) -> None:
    """A service that stored nothing a day ago shows what the chosen quote's source says, and where it stored something, that."""
    assert set(PATHS) >= {CoinGecko.name, "coinpaprika"}
    await market.coin("fresh", 110.0, market_cap=2.0)
    await market.coin("known", 110.0, market_cap=1.0)
    await market.execute("""UPDATE latest_quotes SET raw = '{"price_change_percentage_24h": 10}'""")
    await market.quotes(2, [(NOW - 25 * HOUR, 55.0)])
    await api.refresh()
    _, _, _, text = await page(api, "/")
    assert "+10.00%" in text
    assert "As CoinGecko tells it" in text
    assert "+100.00%" in text


async def test_what_a_source_tells_is_taken_as_a_number_only(api: Server, market: Market) -> None:
    """A text where a number belongs is no change, and the page is there."""
    await market.coin("odd", 110.0)
    await market.execute("""UPDATE latest_quotes SET raw = '{"price_change_percentage_24h": "<b>1</b>"}'""")
    await api.refresh()
    status, _, _, text = await page(api, "/")
    assert status == 200
    assert "tells it" not in text.replace("as the source tells it", "")
