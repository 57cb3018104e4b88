"""How the requests of each source are fetched: over HTTP, or from a folder."""

from kasparro.clock import Clock
from kasparro.records import Request
from kasparro.settings import Settings, SourceSettings
from kasparro.sources.base import Fetched, HttpSource, OnCall, Source
from kasparro.sources.folder import FolderReader
from kasparro.sources.http import HttpClient


class Fetchers:
    """Hands each request to what can fetch it. One object per process: both remember what they have fetched."""

    def __init__(self, settings: Settings, clock: Clock, http: HttpClient) -> None:
        self._http, self._folder = http, FolderReader(settings, clock)

    async def fetch(
        self,
        source: Source,
        settings: SourceSettings,
        request: Request,
        *,
        deadline: float | None = None,
        on_call: OnCall | None = None,
        committed: bytes = b"",
        insist: bool = False,
    ) -> Fetched:
        """The body that a request asks for. See HttpClient.fetch, also for the errors."""
        if isinstance(source, HttpSource):
            return await self._http.fetch(source, settings, request, deadline=deadline, on_call=on_call, committed=committed, insist=insist)
        return await self._folder.fetch(settings, request, on_call=on_call, committed=committed)

    async def probe(self, source: Source, settings: SourceSettings) -> float:
        """Whether a source can be asked now: the seconds that it took to answer. Raises what `fetch` raises."""
        if isinstance(source, HttpSource):
            return await self._http.probe(source, settings)
        return await self._folder.probe(settings)
