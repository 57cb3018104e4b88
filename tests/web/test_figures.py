"""Numbers as a person reads them."""

import pytest

from kasparro.web import figures

PRICES = [
    (1e-18, "$0.0₁₇1000"),
    (1.2346e-8, "$0.0₇1235"),
    (9.99999e-8, "$0.0₆1000"),
    (0.00012341, "$0.0001234"),
    (0.0123444, "$0.01234"),
    (0.5, "$0.5000"),
    (0.99996, "$1.00"),
    (1.0, "$1.00"),
    (87593.114, "$87,593.11"),
    (123456789.5, "$123,456,789.50"),
    (1.26e14, "$126.0T"),
    (None, "\u2013"),
]
AMOUNTS = [
    (None, "\u2013"),
    (0.0, "$0.00"),
    (0.00034, "$0.0003400"),
    (12.3, "$12.30"),
    (1_234.0, "$1.23K"),
    (45_600_000.0, "$45.60M"),
    (1_750_000_000_000.0, "$1.75T"),
    (1_260_000_000_000_000.0, "$1,260T"),
    (2.5e21, "$2.500e21"),
]


@pytest.mark.parametrize(("value", "text"), PRICES)
def test_prices_of_every_magnitude_can_be_read(value: float | None, text: str) -> None:
    """Cents from a dollar on, four digits below, and the zeros counted where there are many."""
    assert figures.price(value) == text


@pytest.mark.parametrize(("value", "text"), AMOUNTS)
def test_amounts_are_short(value: float | None, text: str) -> None:
    """A market cap has three or four digits and a letter."""
    assert figures.amount(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "\u2013"), (1.234, "+1.23%"), (-12.345, "\u221212.35%"), (0.001, "0.00%"), (1e4, "+10,000.00%")]
)
def test_changes_have_a_sign(value: float | None, text: str) -> None:
    """What goes up or down says so without colour."""
    assert figures.percent(value) == text
