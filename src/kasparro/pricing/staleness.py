"""When a price is too old to be taken for what a coin costs now. Pure."""

from datetime import datetime, timedelta

# Twelve intervals of the default schedule, and over ten times the mean age that the free plans allow for what is traded most. A
# coin that its source itself has not seen for so long is stale as well.
STALE_AFTER = timedelta(hours=1)
STALE = "stale"  # the flag


def is_stale(observed_at: datetime, now: datetime) -> bool:
    """Whether an observation is older than STALE_AFTER."""
    return now - observed_at > STALE_AFTER
