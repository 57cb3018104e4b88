"""Cursors that were made by somebody else with the right check: it is no secret, so anybody can."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kasparro.serving import cursors
from kasparro.serving.cursors import Place
from tests.api.conftest import Server

MOST = 2**63 - 1
EXTREMES = [-(2**63), -100, -1, 0, 1, 29, 30, 31, 2**31, 2**62, MOST]
# Each with the name that its cursors are made for.
LISTS = {
    "/data?limit=10": "/data\x00order=rank\x00ids=None\x00symbol=None\x00source=None\x00q=None\x00min_sources=0\x00all=False",
    "/mappings?limit=10": "/mappings",
    "/changes?limit=10&since=0": "/changes 0",
}


async def _ask(server: Server, path: str, listed: str, place: Place) -> int:
    status, _, _ = await server.get(f"{path}&cursor={quote(cursors.write(place, listed))}")
    return status


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_of_ours_is_read(filled: Server, path: str) -> None:
    """Or the tests below would show nothing."""
    version = filled.services.catalog.current.version
    assert await _ask(filled, path, LISTS[path], Place(version, 3)) == 200


@pytest.mark.parametrize("path", LISTS)
async def test_a_place_that_cannot_be_is_refused(filled: Server, path: str) -> None:
    """Before the first row, or beyond what a number holds: never a fault, and never a search without end."""
    version = filled.services.catalog.current.version
    for number in EXTREMES:
        for place in (Place(version, number), Place(version, number, "coin-1"), Place(number, 3), Place(version, 3, grade=number)):
            negative = min(place.version, place.position, place.grade) < 0
            if negative:
                with pytest.raises(cursors.ProblemError):  # or asking might never end
                    cursors.read(cursors.write(place, LISTS[path]), LISTS[path])
            status = await _ask(filled, path, LISTS[path], place)
            assert status == 400 if negative else status in {200, 410}


@given(st.builds(Place, version=st.integers(-9, 2**70), position=st.integers(-(2**70), 2**70), after=st.none() | st.text(max_size=9)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_read_back_is_within_bounds(place: Place) -> None:
    """Whatever was put in."""
    try:
        read = cursors.read(cursors.write(place, "/data"), "/data")
    except cursors.ProblemError:
        return
    assert 0 <= read.version <= MOST
    assert 0 <= read.position <= MOST
