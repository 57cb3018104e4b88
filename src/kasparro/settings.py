"""Every setting, read once from the environment and checked. README.md lists them; a test holds the two together."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal, get_args

import msgspec
import platformdirs

from kasparro import addresses
from kasparro.errors import SettingsError


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's plan allows. Sources: the providers' pricing pages, November 2026."""

    base_url: str
    calls_per_minute: int
    calls_per_month: int  # 0: no stated limit
    freshness_seconds: int  # the source's own cache: asking sooner shows nothing new
    key_needed: bool = True


_GECKO, _GECKO_PRO = "https://api.coingecko.com/api/v3", "https://pro-api.coingecko.com/api/v3"
_PAPRIKA, _PAPRIKA_PRO = "https://api.coinpaprika.com/v1", "https://api-pro.coinpaprika.com/v1"


def _plan(base_url: str, minute: int, month: int, freshness: int, *, key: bool = True) -> Plan:
    return Plan(base_url=base_url, calls_per_minute=minute, calls_per_month=month, freshness_seconds=freshness, key_needed=key)


COINGECKO_PLANS: dict[str, Plan] = {
    # Keyless states no number and is shared by all behind one address; 5 to 15 a minute are reported. Take the least.
    "keyless": _plan(_GECKO, 5, 0, 60, key=False),
    "demo": _plan(_GECKO, 30, 10_000, 60),
    "basic": _plan(_GECKO_PRO, 250, 100_000, 45),
    "analyst": _plan(_GECKO_PRO, 500, 500_000, 45),
    "lite": _plan(_GECKO_PRO, 500, 2_000_000, 45),
    "enterprise": _plan(_GECKO_PRO, 500, 0, 45),
}
# CoinPaprika allows 10 requests a second on every plan; half of it leaves room for others behind the same address.
COINPAPRIKA_PLANS: dict[str, Plan] = {
    "free": _plan(_PAPRIKA, 300, 20_000, 300, key=False),
    "starter": _plan(_PAPRIKA_PRO, 300, 400_000, 60),
    "pro": _plan(_PAPRIKA_PRO, 300, 1_000_000, 60),
    "business": _plan(_PAPRIKA_PRO, 300, 5_000_000, 60),
    "ultimate": _plan(_PAPRIKA_PRO, 300, 10_000_000, 60),
    "enterprise": _plan(_PAPRIKA_PRO, 300, 0, 60),
}


class Secret:
    """A value that no repr, log line or error may show."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one header that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(****)"

    __str__ = __repr__


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How one source is asked."""

    name: str
    plan: str
    base_url: str  # of the source `files` its folder
    api_key: Secret | None
    calls_per_minute: int
    calls_per_month: int
    freshness_seconds: int


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings. The field comments are the reference; defaults are the contract's."""

    sources: dict[str, SourceSettings]
    database_url: Secret | None = None  # None: embedded Postgres under the data folder
    database_reader_url: Secret | None = None  # for what only reads: a role that can do nothing else; None: as the writers
    database_pooler: Literal["none", "transaction"] = "none"
    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000
    refresh_seconds: int = 300
    admin_token: Secret | None = None
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    raw_days: int = 3
    raw_megabytes: int = 500
    quote_days: int = 30
    hourly_days: int = 90
    rate_limit_per_minute: int = 0  # requests of one client; 0: as many as it likes
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()  # whose X-Forwarded-For is believed
    cors_origins: tuple[str, ...] = ()  # whose pages may read the answers, or `*`
    # Bounds. They are not in the environment: change one here, with its reason.
    request_timeout_seconds: float = 30.0  # one call, from connect to the last byte
    response_bytes_max: int = 64_000_000  # 56,559 coins are 9 MB: room for a market seven times as large
    file_bytes_max: int = 16_000_000  # of the source `files`: over 100,000 rows, and more are as well in several files
    request_attempts_max: int = 4
    retry_wait_seconds_max: float = 60.0  # a longer Retry-After ends the source's part of the run instead
    lease_seconds: int = 60
    publish_seconds: float = 15.0  # at most this often while a run works
    statement_rows_max: int = 1_000  # larger statements take over 10 ms of the event loop to encode
    statement_timeout_seconds: float = 5.0  # of a reader's query
    command_timeout_seconds: float = 60.0  # of a writer's statement
    writer_pool_max: int = 4
    reader_pool_max: int = 6
    # Those that follow add up to under the 10 s after which a supervisor kills; a server that hangs costs each in full.
    shutdown_seconds: float = 4.5  # what a run at work gets to roll its part back and to be closed
    close_seconds: float = 2.0  # of these, what closing its row gets


# environment name -> (field of Settings, type as written)
_PLAIN: dict[str, str] = {
    "KASPARRO_DATABASE_POOLER": "database_pooler",
    "KASPARRO_DATA_DIR": "data_dir",
    "KASPARRO_HOST": "host",
    "KASPARRO_PORT": "port",
    "KASPARRO_REFRESH_SECONDS": "refresh_seconds",
    "KASPARRO_LOG_FORMAT": "log_format",
    "KASPARRO_LOG_LEVEL": "log_level",
    "KASPARRO_RAW_DAYS": "raw_days",
    "KASPARRO_RAW_MEGABYTES": "raw_megabytes",
    "KASPARRO_QUOTE_DAYS": "quote_days",
    "KASPARRO_HOURLY_DAYS": "hourly_days",
    "KASPARRO_RATE_LIMIT_PER_MINUTE": "rate_limit_per_minute",
    "KASPARRO_TRUSTED_PROXIES": "trusted_proxies",
    "KASPARRO_CORS_ORIGINS": "cors_origins",
}
_SECRET: dict[str, str] = {
    "DATABASE_URL": "database_url",
    "DATABASE_READER_URL": "database_reader_url",
    "KASPARRO_ADMIN_TOKEN": "admin_token",
}
_SOURCES: dict[str, dict[str, Plan]] = {"coingecko": COINGECKO_PLANS, "coinpaprika": COINPAPRIKA_PLANS}
_FILES = "KASPARRO_FILES_DIR"  # the source `files` is there where it is set
_SOURCE_NAMES = ("BASE_URL", "API_KEY", "PLAN", "CALLS_PER_MINUTE", "CALLS_PER_MONTH")
_PORT_MAX = 65_535
_AT_LEAST: dict[str, int] = {
    "port": 1,
    "refresh_seconds": 0,
    "raw_days": 0,
    "raw_megabytes": 0,
    "quote_days": 2,
    "hourly_days": 2,
    "rate_limit_per_minute": 0,
}

NAMES: tuple[str, ...] = (*_SECRET, *_PLAIN, _FILES, "PORT", *(f"{s.upper()}_{n}" for s in _SOURCES for n in _SOURCE_NAMES))


def load(environment: Mapping[str, str]) -> Settings:
    """Settings from an environment; empty values count as unset. Raises SettingsError naming the variable and the mend."""
    env = {k: v.strip() for k, v in environment.items() if v.strip()}
    unknown = sorted(k for k in env if k.startswith("KASPARRO_") and k not in NAMES and not k.startswith("KASPARRO_TEST_"))
    if unknown:
        ours = [name for name in NAMES if name.startswith("KASPARRO_")]
        close = get_close_matches(unknown[0], ours, n=1)
        meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(ours)}"
        message = f"unknown setting {', '.join(unknown)}: {meant}"
        raise SettingsError(message)
    if "KASPARRO_PORT" not in env and "PORT" in env:
        env["KASPARRO_PORT"] = env["PORT"]
    values: dict[str, object] = {field: env[name] for name, field in _PLAIN.items() if name in env}
    values.setdefault("data_dir", platformdirs.user_data_dir("kasparro", appauthor=False))
    for name, field in _PLAIN.items():
        if field in values:
            values[field] = _converted(name, field, str(values[field]))
    for name, field in _SECRET.items():
        if name in env:
            if name.startswith("DATABASE_"):
                addresses.check_database_url(name, env[name])
            values[field] = Secret(env[name])
    if "DATABASE_READER_URL" in env and "DATABASE_URL" not in env:
        message = "DATABASE_READER_URL is of use beside DATABASE_URL only: the embedded database has no other users"
        raise SettingsError(message)
    values["sources"] = {source: _source(source, plans, env) for source, plans in _SOURCES.items()} | _files(env)
    return Settings(**values)  # type: ignore[arg-type]  # every value was converted by its field's type


def _converted(name: str, field: str, text: str) -> object:
    types = {f.name: f.type for f in msgspec.structs.fields(Settings)}
    if field == "data_dir":
        return Path(text).expanduser().absolute()
    if field == "trusted_proxies":
        return addresses.networks(name, text)
    if field == "cors_origins":
        return addresses.origins(name, text)
    choices = get_args(types[field])
    if all(isinstance(choice, str) for choice in choices) and choices and text not in choices:
        message = f"{name}={text!r}: must be one of {', '.join(choices)}"
        raise SettingsError(message)
    try:
        value = msgspec.convert(text, types[field], strict=False)
    except msgspec.ValidationError as error:
        message = f"{name}={text!r}: {error}"
        raise SettingsError(message) from None
    least, most = _AT_LEAST.get(field), _PORT_MAX if field == "port" else None
    if (least is not None and value < least) or (most is not None and value > most):
        message = f"{name}={text!r}: must be at least {least}" + (f" and at most {most}" if most is not None else "")
        raise SettingsError(message)
    return value


def _source(source: str, plans: dict[str, Plan], env: Mapping[str, str]) -> SourceSettings:
    prefix = source.upper()
    key = env.get(f"{prefix}_API_KEY")
    without_key = next(iter(plans))
    name = env.get(f"{prefix}_PLAN", "demo" if key and source == "coingecko" else without_key).lower()
    plan = plans.get(name)
    if plan is None:
        message = f"{prefix}_PLAN={name!r}: must be one of {', '.join(plans)}"
        raise SettingsError(message)
    if plan.key_needed and not key:
        message = f"{prefix}_PLAN={name} needs {prefix}_API_KEY"
        raise SettingsError(message)
    return SourceSettings(
        name=source,
        plan=name,
        base_url=addresses.base_url(f"{prefix}_BASE_URL", env.get(f"{prefix}_BASE_URL", plan.base_url)),
        api_key=Secret(key) if key and plan.key_needed else None,
        calls_per_minute=_count(f"{prefix}_CALLS_PER_MINUTE", env, plan.calls_per_minute, least=1),
        calls_per_month=_count(f"{prefix}_CALLS_PER_MONTH", env, plan.calls_per_month, least=0),
        freshness_seconds=plan.freshness_seconds,
    )


def _files(env: Mapping[str, str]) -> dict[str, SourceSettings]:
    """The source that is a folder, where one is named. Reading it costs nobody anything, so that nothing bounds it."""
    if _FILES not in env:
        return {}
    folder = Path(env[_FILES]).expanduser().absolute()
    return {
        "files": SourceSettings(
            name="files",
            plan="folder",
            base_url=str(folder),
            api_key=None,
            calls_per_minute=60 * 1_000,
            calls_per_month=0,
            freshness_seconds=0,
        )
    }


def _count(name: str, env: Mapping[str, str], default: int, *, least: int) -> int:
    text = env.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < least:
        message = f"{name}={text!r}: must be a whole number of at least {least}"
        raise SettingsError(message)
    return int(text)


def environment_with_dotenv(folder: Path) -> dict[str, str]:
    """The process's environment over the `.env` file of a folder, if there is one: NAME=VALUE lines, # comments."""
    values: dict[str, str] = {}
    path = folder / ".env"
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            name, separator, value = line.strip().removeprefix("export ").partition("=")
            if separator and not name.startswith("#"):
                values[name.strip()] = value.strip().strip("'\"")
    return values | dict(os.environ)
