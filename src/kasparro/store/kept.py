"""For how long rows are kept that are dropped by the day."""

from datetime import UTC, datetime, timedelta

from kasparro.settings import Settings


def first_kept(now: datetime, days: int) -> datetime:
    """The beginning of the first day of UTC of which something is kept."""
    return datetime.combine((now - timedelta(days=days)).astimezone(UTC).date(), datetime.min.time(), UTC)


def hourly_days(settings: Settings) -> int:
    """How long hourly candles are kept: at least as long as quotes, since a late quote makes its day's candle anew from the hours."""
    return max(settings.hourly_days, settings.quote_days)
