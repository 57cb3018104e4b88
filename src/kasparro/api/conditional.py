"""Weak ETags: the catalog's version and the representation, the same on every replica."""

from zlib import crc32

from kasparro import __version__

_RELEASE = crc32(__version__.encode())  # another release may write the same catalog another way


def etag(catalog_version: int, path: bytes, query_string: bytes) -> str:
    """The ETag of a path and query at a version of the catalog. The checksum tells representations of one URL apart, no more."""
    return f'W/"{catalog_version}-{crc32(query_string, crc32(path, _RELEASE)):08x}"'


def matches(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match names a tag, by weak comparison. `*` is not looked at: it says nothing of what the client has."""
    bare = tag.removeprefix("W/")
    return any(part.strip().removeprefix("W/") == bare for part in if_none_match.split(","))
