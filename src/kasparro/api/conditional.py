"""Weak ETags: the catalog's version and the representation, the same on every replica."""

from hashlib import blake2b

from kasparro import __version__

_RELEASE = __version__.encode()  # another release may write the same catalog another way


def etag(catalog_version: int, path: str, query_string: bytes) -> str:
    """The ETag of a path and query at a version of the catalog."""
    digest = blake2b(b"%s\0%s\0%s" % (_RELEASE, path.encode("utf-8", "replace"), query_string), digest_size=8)
    return f'W/"{catalog_version}-{digest.hexdigest()}"'


def matches(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match names a tag, by weak comparison. `*` is not looked at: it says nothing of what the client has."""
    bare = tag.removeprefix("W/")
    return any(part.strip().removeprefix("W/") == bare for part in if_none_match.split(","))
