"""The house rules as functions: each takes a module's syntax tree and answers with what breaks the rule, by line."""

import ast
import re
from collections.abc import Iterator

Finding = tuple[int, str]  # line, what is there

EFFECTS = re.compile(
    r"""
    datetime\.datetime\.(now|utcnow|today) | datetime\.date\.today
    | time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns|sleep)
    | asyncio\.sleep
    | random\.(?!Random$|SystemRandom$)\w+ | uuid\.uuid[14] | secrets\.token_\w+ | secrets\.(choice|randbelow|randbits)
    """,
    re.VERBOSE,
)
LOGGERS = re.compile(r"logging\.getLogger|structlog\.(stdlib\.)?get_logger")
# Upper case only: a message may begin with "Create a token ...". One word alone is no statement ("DELETE" is also a method
# of HTTP), but for BEGIN.
SQL = re.compile(
    r"\s*(?:(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|TRUNCATE|MERGE|COPY|WITH|LOCK|GRANT|VACUUM|SET LOCAL|SET)\s|(BEGIN)\b)"
)
SYNONYMS = {"asset": "coin or listing", "feed": "source or stream", "tick": "quote"}
BLANKET_NAMES = frozenset({"util", "utils", "common", "core", "helper", "helpers", "misc", "service", "services"})


def names(tree: ast.Module) -> Iterator[Finding]:
    """Every use of a dotted name, with what was imported written out in full: `now` of `from time import monotonic as now`."""
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {a.asname or a.name.partition(".")[0]: a.name if a.asname else a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            first, _, rest = ast.unparse(node).partition(".")
            if first in imported:
                yield node.lineno, f"{imported[first]}.{rest}" if rest else imported[first]


def effects(tree: ast.Module) -> list[Finding]:
    """Uses of the time or of randomness other than through an argument; `asyncio.sleep(0)` waits for nothing and is none."""
    yields = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call) and [ast.unparse(a) for a in n.args] == ["0"]]
    yielding = {(f.lineno, "asyncio.sleep") for f in yields}
    return [found for found in names(tree) if EFFECTS.fullmatch(found[1]) and found not in yielding]


def loggers(tree: ast.Module) -> list[Finding]:
    """Loggers made other than by kasparro.logs."""
    return [(line, name) for line, name in names(tree) if LOGGERS.fullmatch(name)]


def prints(tree: ast.Module) -> list[Finding]:
    """Calls of print."""
    return [
        (n.lineno, "print") for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print"
    ]


def imports(tree: ast.Module) -> list[Finding]:
    """The modules imported, in full."""
    found: list[Finding] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, a.name) for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(node.lineno, node.module), *((node.lineno, f"{node.module}.{a.name}") for a in node.names)]
    return found


def sql(tree: ast.Module) -> list[Finding]:
    """String literals, docstrings apart, that begin like a statement of SQL: the statement's first word."""
    docstrings = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    found: list[Finding] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            match = SQL.match(node.value)
            if match:
                found.append((node.lineno, match[1] or match[2]))
    return found


def long_functions(tree: ast.Module, lines_max: int) -> list[Finding]:
    """Functions with more lines than allowed, decorators and docstring counted."""
    found: list[Finding] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - min([node.lineno, *(d.lineno for d in node.decorator_list)]) + 1
            if lines > lines_max:
                found.append((node.lineno, f"{node.name}: {lines} lines"))
    return found


def undocumented(tree: ast.Module) -> list[Finding]:
    """The module, and its public classes, functions and methods, where they lack a docstring."""
    found: list[Finding] = [] if ast.get_docstring(tree) else [(1, "the module")]

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            decorators = {ast.unparse(d).rpartition(".")[2] for d in node.decorator_list}
            # A property without a body is a protocol's attribute; the protocol says what it is.
            attribute = "property" in decorators and [ast.unparse(n) for n in node.body] == ["..."]
            if not ast.get_docstring(node) and not attribute and not decorators & {"overload", "setter", "override"}:
                found.append((node.lineno, prefix + node.name))
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")

    visit(tree.body, "")
    return found


def tests_without_a_sentence(tree: ast.Module) -> list[Finding]:
    """Tests whose docstring does not say in one paragraph, ended by a full stop, what behaviour they hold."""
    found: list[Finding] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            sentence = ast.get_docstring(node) or ""
            if not sentence.endswith((".", "?", "!")) or "\n\n" in sentence:
                found.append((node.lineno, node.name))
    return found


def synonyms(tree: ast.Module) -> list[Finding]:
    """Names given here that use another word than the design for one of its nouns."""
    found: list[Finding] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = node.attr
        else:
            continue
        for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name):
            instead = SYNONYMS.get(word.lower().removesuffix("s"))
            if instead:
                found.append((node.lineno, f"{name}: say {instead}"))
    return found
