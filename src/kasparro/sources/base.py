"""What a source is: streams to ask for, requests to send, and a pure parse of what comes back."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol, runtime_checkable

from kasparro.errors import KasparroError
from kasparro.records import Page, Pieces, Record, Request

# Told of every call that got an answer, with its status, and with 0 of one that got none: (source, status).
OnCall = Callable[[str, int], None]


class Fetched(Record, frozen=True):
    """A body as it came, decompressed."""

    body: bytes  # empty where the source said that it is the committed one
    digest: bytes  # sha256 of the body
    fetched_at: datetime  # when its last byte came
    calls: int  # how many it took


class Stream(Record, frozen=True, kw_only=True):
    """One collection of a source."""

    name: str  # "coingecko.markets"
    first_part: str  # the part that is always known; further ones are made known by answers (Page.next_parts)
    priority: int  # the order in which streams become useful, over all sources: smaller first
    interval: timedelta  # how often a part is asked for; zero: as often as the budget allows
    identity: bool = False  # it says which listings there are, or their contracts: identity waits for it
    quotes: bool = False  # it carries prices
    complete: bool = False  # its one part names every listing of the source: what is missing from it has vanished
    batch_listings: int = 0  # once its parts were all committed, it is asked for by batches of so many ids at most; 0: never
    # Of what an answer names all contracts: of the source, of the platform that the part is called after, of the listings in it.
    contracts: Literal["none", "of_source", "of_part", "of_listings"] = "none"


class Source(Protocol):
    """A provider. Holds no state and does no input or output."""

    @property
    def name(self) -> str:
        """What every row of it is marked with, lower case: "coingecko"."""

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Its collections."""

    def request(self, stream: str, part: str, ids: Sequence[str] = ()) -> Request:
        """The call that fetches a part; of a batch, the listings with these ids."""

    def parse(self, request: Request, body: bytes, fetched_at: datetime) -> Pieces[Page]:
        """Turn a body into a page, yielding every few hundred rows.

        Of the request it reads the stream and the part alone: a body that was kept is parsed again without the rest.
        Raises SkipError where the body is not of the expected shape (with the source's own message where it sent one).
        """


@runtime_checkable
class HttpSource(Source, Protocol):
    """A source that is asked over HTTP."""

    def headers(self) -> dict[str, str]:
        """What authenticates a call. Sent to the base URL's host only."""

    def ping(self) -> Request:
        """The cheapest call that shows that the source answers and takes the key. It belongs to no stream."""

    def hidden_error(self, body: bytes) -> KasparroError | None:
        """The error in a body that came with status 200 all the same; None for any other body. Looks at small bodies only."""

    def explain(self, status: int, body: bytes) -> KasparroError:
        """The error that a non-200 answer amounts to, with what a person should do about it: retry, skip or abort."""
