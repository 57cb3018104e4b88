"""Numbers as sources send them."""

from math import inf, nan

import pytest

from kasparro.sources import fields


@pytest.mark.parametrize("value", [nan, inf, -inf, True, "1", None, -1.0, 10**400])
def test_what_is_no_amount_is_not_known(value: object) -> None:
    """Orders and prices are made of what is left: one NaN would place coins anywhere."""
    assert fields.amount(value) is None
    assert fields.high(value) is None
