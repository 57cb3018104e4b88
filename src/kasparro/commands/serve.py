"""`kasparro serve`."""

from kasparro import logs, starting
from kasparro.records import RunSummary
from kasparro.settings import Settings

log = logs.get()

_NOTHING_NEW = (
    "no source could be used in this first run, so that nothing new is served. `kasparro doctor` looks at each of them and says what to "
    "do; without internet `kasparro demo` serves a made-up market"
)


async def serve(settings: Settings) -> None:
    """Serve until asked to stop."""
    await starting.serve(settings, on_run=run_ended)


def run_ended(summary: RunSummary) -> None:
    """Tell who has just started it where to go on, when the first run brought nothing."""
    if summary.trigger == "start" and summary.status == "failed":
        log.warning("serve.nothing_new", run_id=summary.run_id, message=_NOTHING_NEW)
