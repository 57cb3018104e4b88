"""`kasparro serve`."""

from kasparro import app
from kasparro.settings import Settings


async def serve(settings: Settings) -> None:
    """Serve until asked to stop."""
    await app.serve(settings)
