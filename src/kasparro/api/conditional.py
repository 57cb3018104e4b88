"""Weak ETags: the catalog's version and the representation, the same on every replica."""

from zlib import crc32

from kasparro import __version__
from kasparro.catalog.entries import Catalog

_RELEASE = crc32(__version__.encode())  # another release may write the same catalog another way


def tags(catalog: Catalog) -> bytes:
    """The ETags of a catalog, to be completed by a checksum. Prices turn stale in the order of their ages: how many are tells which."""
    return b'W/"%d-%d-%%08x"' % (catalog.version, catalog.stale)


def checksum(path: bytes, query_string: bytes = b"") -> int:
    """Of a path and query: it tells representations of one URL apart, no more."""
    return crc32(query_string, crc32(path, _RELEASE))


def etag(catalog: Catalog, path: bytes, query_string: bytes) -> str:
    """The ETag of a path and query from a catalog."""
    return (tags(catalog) % checksum(path, query_string)).decode()


def matches(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match names a tag, by weak comparison. `*` is not looked at: it says nothing of what the client has."""
    bare = tag.removeprefix("W/")
    return any(part.strip().removeprefix("W/") == bare for part in if_none_match.split(","))
