"""The house rules, held over every module."""

import ast
from collections.abc import Callable

import pytest

from tests.tidy import checks, tree

MODULE_LINES_MAX = 320
TEST_MODULE_LINES_MAX = 480
FUNCTION_LINES_MAX = 75

# (module, name) -> why it may. What is listed and no longer used fails as well.
EFFECTS_ALLOWED: dict[tuple[str, str], str] = {}
SQL_ALLOWED: dict[tuple[str, str], str] = {}
# Every word of SQL that opens a transaction or bounds it belongs to the pool.
SQL_OF_THE_POOL = frozenset({"BEGIN", "SET LOCAL"})
IMPURE = frozenset({"aiohttp", "apscheduler", "asyncpg", "litestar", "structlog", "kasparro.logs"})
# Wire fields carry the names that the providers gave them, and the pages have assets in the web's sense.
OTHERS_WORDS = ("compat/", "sources/", "web/")


def _over_package(check: Callable[[ast.Module], list[checks.Finding]]) -> list[tuple[str, int, str]]:
    return [(name, line, what) for name, path in tree.package_modules().items() for line, what in check(tree.syntax(path))]


def _said(found: list[tuple[str, int, str]]) -> str:
    return "\n" + "\n".join(f"{name}:{line}: {what}" for name, line, what in found)


def _is_pure(module: str) -> bool:
    if module.startswith("sources/"):
        return module not in {"sources/calls.py", "sources/http.py"}
    return module.startswith(("pricing/", "resolver/")) or module in {
        "serving/clients.py",
        "serving/deviations.py",
        "serving/rate_limit.py",
        "catalog/build.py",
        "catalog/search.py",
        "catalog/text_index.py",
        "clock.py",
        "demo/answers.py",
        "demo/faults.py",
        "demo/market.py",
        "demo/past.py",
        "errors.py",
        "ingest/batches.py",
        "ingest/budget.py",
        "ingest/checks.py",
        "ingest/intervals.py",
        "ingest/outcome.py",
        "ingest/outlook.py",
        "ingest/plan.py",
        "ingest/progress.py",
        "ingest/spending.py",
        "records.py",
    }


def test_modules_are_short() -> None:
    """A module fits into a reader's head; split it by what is in it."""
    limits = [(tree.package_modules(), MODULE_LINES_MAX), (tree.test_modules(), TEST_MODULE_LINES_MAX)]
    found = [
        (name, n, "lines") for modules, most in limits for name, path in modules.items() if (n := len(tree.text(path).splitlines())) > most
    ]
    assert not found, _said(found)


def test_functions_are_short() -> None:
    """A function fits on a page."""
    modules = tree.package_modules() | tree.test_modules()
    found = [(m, line, what) for m, p in modules.items() for line, what in checks.long_functions(tree.syntax(p), FUNCTION_LINES_MAX)]
    assert not found, _said(found)


def test_time_and_randomness_come_in_as_arguments() -> None:
    """Only clock.py asks the machine for the time, and a random.Random is handed in."""
    found = [f for f in _over_package(checks.effects) if f[0] != "clock.py"]
    assert not [f for f in found if (f[0], f[2]) not in EFFECTS_ALLOWED], _said(found)
    assert set(EFFECTS_ALLOWED) <= {(name, what) for name, _line, what in found}


def test_loggers_come_from_one_place() -> None:
    """Only logs.py makes loggers, so that every line is masked and formatted alike."""
    found = [f for f in _over_package(checks.loggers) if f[0] != "logs.py"]
    assert not found, _said(found)


def test_only_commands_print() -> None:
    """What speaks to a person through stdout is a command."""
    found = [f for f in _over_package(checks.prints) if f[0] != "__main__.py" and not f[0].startswith("commands/")]
    assert not found, _said(found)


def test_one_module_speaks_to_the_sources() -> None:
    """Only sources/calls.py imports aiohttp, and only sources/http.py that: its limits and rules hold for every call."""
    allowed = {("sources/calls.py", "aiohttp"), ("sources/http.py", "kasparro.sources.calls")}
    told = [(f, "aiohttp" if f[2].partition(".")[0] == "aiohttp" else f[2]) for f in _over_package(checks.imports)]
    found = [f for f, what in told if what in {name for _, name in allowed} and (f[0], what) not in allowed]
    assert not found, _said(found)


def test_pure_parts_import_nothing_that_acts() -> None:
    """What decides does no input or output and does not log."""
    found = [f for f in _over_package(checks.imports) if _is_pure(f[0]) and (f[2].partition(".")[0] in IMPURE or f[2] in IMPURE)]
    assert not found, _said(found)


def test_sql_is_in_sql_files() -> None:
    """Statements are named queries in store/sql or migrations, where a test prepares each of them."""
    found = [f for f in _over_package(checks.sql) if not (f[0] == "store/pool.py" and f[2] in SQL_OF_THE_POOL)]
    assert not [f for f in found if (f[0], f[2]) not in SQL_ALLOWED], _said(found)
    assert set(SQL_ALLOWED) <= {(name, what) for name, _line, what in found}


def test_everything_public_is_documented() -> None:
    """Each package, module, public class and public function says what it is."""
    found = _over_package(checks.undocumented)
    assert not found, _said(found)


def test_every_test_says_its_behaviour() -> None:
    """A test's docstring is one sentence that a reader of a failure understands."""
    found = [(m, line, what) for m, p in tree.test_modules().items() for line, what in checks.tests_without_a_sentence(tree.syntax(p))]
    assert not found, _said(found)


def test_one_word_for_one_thing() -> None:
    """The design's nouns have no synonyms among the names that we give."""
    found = [f for f in _over_package(checks.synonyms) if not f[0].startswith(OTHERS_WORDS)]
    assert not found, _said(found)


def test_modules_are_named_for_what_is_in_them() -> None:
    """No module or folder has a name that would fit anything."""
    parts = {part for m in tree.package_modules() | tree.test_modules() for part in m.removesuffix(".py").split("/")}
    assert not parts & checks.BLANKET_NAMES


BREACHES = [
    (checks.effects, "from datetime import datetime\nx = datetime.now()", "datetime.datetime.now"),
    (checks.effects, "import datetime as d\nx = d.datetime.utcnow()", "datetime.datetime.utcnow"),
    (checks.effects, "from time import monotonic as now\nx = now()", "time.monotonic"),
    (checks.effects, "import asyncio\nasync def f():\n    await asyncio.sleep(1)", "asyncio.sleep"),
    (checks.effects, "import random\nx = random.uniform(0, 1)", "random.uniform"),
    (checks.effects, "from uuid import uuid4\nx = uuid4()", "uuid.uuid4"),
    (checks.loggers, "import logging\nlog = logging.getLogger('x')", "logging.getLogger"),
    (checks.loggers, "from structlog import get_logger\nlog = get_logger()", "structlog.get_logger"),
    (checks.prints, "print(1)", "print"),
    (checks.imports, "def f():\n    from aiohttp import web", "aiohttp.web"),
    (checks.sql, "def f(c):\n    return c.fetch('SELECT 1')", "SELECT"),
    (checks.sql, "def f(t):\n    return f'''\n    DELETE FROM {t}'''", "DELETE"),
    (checks.sql, "def f(t):\n    return f'SELECT {t}'", "SELECT"),
    (checks.undocumented, "'''Doc.'''\nclass A:\n    '''Doc.'''\n    def b(self): ...", "A.b"),
    (checks.tests_without_a_sentence, "def test_a(): ...", "test_a"),
    (checks.synonyms, "def best_asset(coin): ...", "best_asset: say coin or listing"),
    (checks.synonyms, "PriceFeeds = 1", "PriceFeeds: say source or stream"),
]


@pytest.mark.parametrize(("check", "code", "expected"), BREACHES)
def test_breaches_are_found(check: Callable[[ast.Module], list[checks.Finding]], code: str, expected: str) -> None:
    """Each check sees what it is there for, however it was imported."""
    assert expected in [what for _line, what in check(ast.parse(code))]


KEPT = [
    (
        checks.effects,
        "import random\nfrom datetime import UTC, datetime\ndef f(r: random.Random): return datetime.fromtimestamp(r.random(), UTC)",
    ),
    (checks.effects, "import asyncio\nasync def f(): await asyncio.sleep(0)"),
    (checks.sql, "'''SELECT is the subject here.'''\nx = 'Create a token', 'SETTINGS', 'updated', 'DELETE'"),
    (checks.undocumented, "'''Doc.'''\ndef _a(): ...\nclass _B:\n    def c(self): ..."),
    (checks.undocumented, "'''Doc.'''\nclass P(Protocol):\n    '''Doc.'''\n    @property\n    def c(self) -> int: ..."),
    (checks.synonyms, "ticker = feedback = sticky = 1"),
]


@pytest.mark.parametrize(("check", "code"), KEPT)
def test_what_is_allowed_is_not_found(check: Callable[[ast.Module], list[checks.Finding]], code: str) -> None:
    """No check cries wolf over what the rules allow."""
    assert check(ast.parse(code)) == []


def test_long_functions_are_found() -> None:
    """The length of a function counts its decorators and its docstring."""
    assert checks.long_functions(ast.parse("@d\ndef f():\n    '''Doc.'''\n    return 1"), 3) == [(2, "f: 4 lines")]
