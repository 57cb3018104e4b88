"""Who asks: the address behind a request, seen through the proxies that are trusted and no others."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Networks = Sequence[IPv4Network | IPv6Network]

_IPV6_PREFIX = 64  # one subscriber has all of such a network, and would be as many clients
_UNKNOWN = "unknown"  # whoever comes over a Unix socket


class Clients:
    """Tells clients apart."""

    def __init__(self, trusted: Networks) -> None:
        self._trusted = tuple(trusted)
        self._known = lru_cache(maxsize=1_024)(self._name)

    def of(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The client of a request by its headers, whose names are in lower case."""
        return self.name(peer, b",".join([value for name, value in headers if name == b"x-forwarded-for"]))

    def name(self, peer: str | None, forwarded_for: bytes) -> str:
        """The client of a request. `peer` is the other end's address, `forwarded_for` its X-Forwarded-For, empty where there is none.

        Each proxy adds the address that it was asked from at the end, so the last one that is not a trusted proxy's is the client's;
        all before it may be made up.
        """
        if peer is None:
            return _UNKNOWN
        if forwarded_for and self._trusted and self._is_trusted(_address(peer)):
            for text in reversed(forwarded_for.decode("latin-1").split(",")):
                address = _address(text)
                if address is None:
                    break
                if not self._is_trusted(address):
                    return _network(address)
        return self._known(peer)

    def _name(self, peer: str) -> str:
        address = _address(peer)
        return peer if address is None else _network(address)

    def _is_trusted(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: bare, or with a port, one of version 6 then in brackets."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, _IPV6_PREFIX), strict=False))
