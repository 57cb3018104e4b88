"""Times as a person writes them on the command line."""

from datetime import UTC, datetime

import click

# What every time that is stored lies between.
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 1, 1, tzinfo=UTC)


class Moment(click.ParamType[datetime]):
    """An ISO 8601 date or time, or seconds since 1970; UTC where it names no offset."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """See click.ParamType."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        try:
            number = float(text) if text.replace(".", "", 1).isdigit() and len(text) != len("20260131") else None
            found = datetime.fromtimestamp(number, UTC) if number is not None else datetime.fromisoformat(text)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            self.fail(f"{text!r} is no time: write it like 2026-01-31, 2026-01-31T12:00:00Z or 1769817600", param, ctx)
