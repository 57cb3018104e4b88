"""Settings: what is refused, in words that name it and never show a secret."""

from pathlib import Path

import pytest

from kasparro.errors import SettingsError
from kasparro.settings import environment_with_dotenv, load
from kasparro.store.pool import place
from tests.conftest import make_settings

GOOD = [
    "postgresql://user:secret@host:5432/market",
    "postgres://user@host/market",
    "postgresql://host",
    "postgresql:///market?host=/run/postgresql&user=user&password=secret",
    "postgresql://user:se%40cr%2Fet@[2001:db8::1]:5432/market?sslmode=require",
    "postgresql://user:secret@one:5432,two:5433/market?target_session_attrs=read-write",
    "postgresql://user:se:cret@host/market",
]
# Each with what a driver would tell of it: a piece of the password as a host, a port or a database.
BAD = [
    "postgresql://user:sec/ret@host:5432/market",
    "postgresql://user:sec?ret@host:5432/market",
    "postgresql://user:sec#ret@host:5432/market",
    "postgresql://user:sec@ret@host:5432/market",
    "postgresql://user:secret",
    "postgresql://user:secret/market",
    "postgresql+asyncpg://user:secret@host/market",
    "mysql://user:secret@host/market",
    "user:secret@host/market",
    "postgresql://",
]


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_READER_URL"])
@pytest.mark.parametrize("url", BAD)
def test_a_url_that_cannot_be_is_named_and_not_shown(name: str, url: str) -> None:
    """The variable and what to write instead, and no piece of the password."""
    with pytest.raises(SettingsError) as refused:
        make_settings(**{"DATABASE_URL": GOOD[0], name: url})
    assert str(refused.value).startswith(name)
    assert "postgresql://" in str(refused.value) or "%40" in str(refused.value)
    assert "sec" not in str(refused.value)
    assert "ret" not in str(refused.value).replace("written", "")


@pytest.mark.parametrize("url", GOOD)
def test_a_url_of_any_right_form_is_taken(url: str) -> None:
    """With several hosts, a socket's folder, or letters that are escaped; what messages say of it is without the password."""
    settings = make_settings(DATABASE_URL=url, DATABASE_READER_URL=url)
    assert settings.database_url is not None
    assert settings.database_url.reveal() == url
    assert "sec" not in place(url)
    assert "se%40" not in place(url)


def test_a_reader_needs_a_database_of_its_user() -> None:
    """The embedded one has no roles to tell apart."""
    with pytest.raises(SettingsError, match="DATABASE_READER_URL is of use beside DATABASE_URL only"):
        make_settings(DATABASE_READER_URL=GOOD[0])


def test_no_secret_is_in_the_repr() -> None:
    """Whatever is printed of the settings, at any depth."""
    secrets = {
        "DATABASE_URL": "postgresql://user:secret-1@host/market",
        "DATABASE_READER_URL": "postgresql://user:secret-2@host/market",
        "KASPARRO_ADMIN_TOKEN": "secret-3",
        "COINGECKO_API_KEY": "secret-4",
        "COINPAPRIKA_API_KEY": "secret-5",
        "COINPAPRIKA_PLAN": "starter",
    }
    settings = make_settings(**secrets)
    for shown in (repr(settings), str(settings), f"{settings.sources}", f"{settings.admin_token!s} {settings.admin_token!r}"):
        assert "secret-" not in shown


def test_an_unknown_setting_is_named_with_what_was_meant() -> None:
    """A misspelt one would otherwise be silently without effect; where none is like it, all are named."""
    with pytest.raises(SettingsError, match=r"unknown setting KASPARRO_PROT: did you mean KASPARRO_PORT\?"):
        make_settings(KASPARRO_PROT="8000")
    with pytest.raises(SettingsError, match=r"unknown setting KASPARRO_XYZXYZXYZ: known are .*KASPARRO_PORT"):
        make_settings(KASPARRO_XYZXYZXYZ="8000")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KASPARRO_PORT", "80000", "at least 1 and at most 65535"),
        ("KASPARRO_PORT", "0", "at least 1 and at most 65535"),
        ("KASPARRO_PORT", "http", "KASPARRO_PORT='http'"),
        ("KASPARRO_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("KASPARRO_DATABASE_POOLER", "session", "one of none, transaction"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_those_that_can(name: str, value: str, said: str) -> None:
    """Bounds and choices."""
    with pytest.raises(SettingsError, match=said):
        make_settings(**{name: value})


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NAME=VALUE lines with and without quotes, comments left out."""
    (tmp_path / ".env").write_text("# a comment\nexport KASPARRO_PORT='8001'\nKASPARRO_HOST=\"::1\"\nnonsense\n")
    monkeypatch.setenv("KASPARRO_HOST", "127.0.0.2")
    settings = load({"KASPARRO_DATA_DIR": "/nonexistent"} | environment_with_dotenv(tmp_path))
    assert (settings.port, settings.host) == (8001, "127.0.0.2")
