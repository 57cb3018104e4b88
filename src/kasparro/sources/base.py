"""What a source is: streams to ask for, requests to send, and a pure parse of what comes back."""

from datetime import datetime, timedelta
from typing import Protocol

from kasparro.records import Page, Pieces, Record, Request


class Stream(Record):
    """One collection of a source."""

    name: str  # "coingecko.markets"
    first_part: str  # the part that is always known; further ones are made known by answers (Page.next_parts)
    priority: int  # the order in which streams become useful, over all sources: smaller first
    interval: timedelta  # zero: every run; otherwise at least this long between sweeps
    identity: bool = False  # it says which listings there are, or their contracts: identity waits for it
    quotes: bool = False  # it carries prices
    complete: bool = False  # its one part names every listing of the source: what is missing from it has vanished


class Source(Protocol):
    """A provider. Holds no state and does no input or output."""

    name: str
    streams: tuple[Stream, ...]

    def headers(self) -> dict[str, str]:
        """What authenticates a call. Sent to the base URL's host only."""

    def request(self, stream: str, part: str) -> Request:
        """The call that fetches a part."""

    def parse(self, request: Request, body: bytes, fetched_at: datetime) -> Pieces[Page]:
        """Turn a body into a page, yielding every few hundred rows.

        Raises SkipError where the body is not of the expected shape (with the source's own message where it sent one).
        """

    def explain(self, status: int, body: bytes) -> Exception:
        """The error that a non-200 answer amounts to, with what a person should do about it: retry, skip or abort."""
