"""Addresses as people write them into settings, checked: databases, sources, proxies, and other sites. Pure; raises SettingsError."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from kasparro.errors import SettingsError

_HOST = r"(?:[^\[\]:,@/]*|\[[0-9A-Fa-f:.%]+\])(?::\d{1,5})?"  # a name, or version 6 in brackets, with its port
_HOSTS = re.compile(rf"{_HOST}(?:,{_HOST})*")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")


def networks(name: str, text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Single addresses or whole networks, separated by commas."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        message = f"{name}={text!r}: {error}; write addresses or networks separated by commas, like 10.0.0.0/8,127.0.0.1"
        raise SettingsError(message) from None


def origins(name: str, text: str) -> tuple[str, ...]:
    """Origins of sites separated by commas, or `*` alone."""
    found = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    wrong = [o for o in found if not _ORIGIN.fullmatch(o) and (o != "*" or len(found) > 1)]
    if wrong:
        message = f"{name}: {wrong[0]!r} is no origin; write https://host or https://host:port, several separated by commas, or * alone"
        raise SettingsError(message)
    return found


def check_database_url(name: str, url: str) -> None:
    """Refuse what the driver would take apart in the wrong places: its errors say what it takes for a host or a port."""
    scheme, _, rest = url.partition("://")
    if scheme.startswith(("postgresql+", "postgres+")):
        message = f"{name} starts with {scheme}://, an SQLAlchemy dialect: write postgresql:// instead, the rest unchanged"
        raise SettingsError(message)
    authority, _, hosts = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")
    if "@" in authority or "@" in rest[len(authority) + 1 + len(hosts) :] or "#" in rest:
        message = f"{name}: a password that has @ / ? # % or : in it is written with %40 %2F %3F %23 %25 %3A instead of them"
        raise SettingsError(message)
    if scheme not in {"postgresql", "postgres"} or not rest or not _HOSTS.fullmatch(hosts):
        message = f"{name} must be of the form postgresql://user:password@host:5432/database"
        raise SettingsError(message)


def base_url(name: str, url: str) -> str:
    """Where a source is, without a slash at the end."""
    if not url.startswith(("http://", "https://")) or "?" in url or "#" in url:
        message = f"{name} must be an http or https address with its path and without a query, like https://api.coingecko.com/api/v3"
        raise SettingsError(message)
    return url.rstrip("/")
