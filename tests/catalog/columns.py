"""Rows that a test writes by name, as the queries of a catalog give them: by the order of their columns."""

from types import SimpleNamespace
from typing import Any


def in_columns(rows: Any) -> Any:
    """The same rows without names. They were written in the order of the columns in store/sql/catalog_rows.sql."""
    return SimpleNamespace(**{name: [tuple(row.values()) for row in of] for name, of in vars(rows).items()})
