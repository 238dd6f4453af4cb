"""The rules of the house (CONTRIBUTING.md), as far as they can be read off the source."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator

from tests.repo.sources import ROOT, Source, dotted, places, project_files, python_sources

RELAY = python_sources("relay")
TESTS = python_sources("tests")
TEST_MODULES = [source for source in TESTS if source.path.name.startswith("test_")]

# The wall clock and chance, by the names they are usually called by.
_CLOCK_AND_CHANCE = re.compile(
    r"(datetime\.)?datetime\.(now|utcnow|today)|(datetime\.)?date\.today|time\.(time|time_ns|localtime|gmtime|sleep)"
    r"|random\.(?!Random$)\w+|secrets\.(?!compare_digest$)\w+|uuid\.uuid[1-8]|uuid[1-8]|os\.u?random",
)
_CLOCK_AND_CHANCE_MODULES = {"time": {"time", "time_ns", "sleep"}, "random": None, "secrets": None, "uuid": None}
_UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|NotImplemented[E]rror)\b")  # brackets, so as not to find itself
_MOCKS = re.compile(r"unittest\.mock|(monkeypatch|mocker)\.\w*(setattr|patch)\w*")
_SLEEPS = {("asyncio", "sleep"), ("time", "sleep")}  # imported by name they would not be seen
# Where a text has none of these, its syntax tree has none either, and is not asked: most files are passed over so.
_MAY_CATCH_ALL = re.compile(r"Exception|except\s*:")
_MAY_USE_CLOCK_OR_CHANCE = re.compile(
    r"datetime\s*\.\s*(now|utcnow|today)|date\s*\.\s*today|time\s*\.\s*(time|time_ns|localtime|gmtime|sleep)"
    r"|from\s+time\b|[rR]andom|secrets|uuid"
)
_MAY_MOCK = re.compile(r"mock|monkeypatch")
_MAY_SLEEP = re.compile(r"sleep")
_MAY_SKIP = re.compile(r"skip|xfail")
_SKIPS = re.compile(r"(pytest\.)?(skip|xfail|importorskip)|(pytest\.)?mark\.(skip|skipif|xfail)")


def _names(source: Source, pattern: re.Pattern[str]) -> Iterator[ast.AST]:
    nodes = (node for node in ast.walk(source.tree) if isinstance(node, ast.Attribute | ast.Name))
    return (node for node in nodes if pattern.fullmatch(dotted(node)))


def _imports(source: Source) -> Iterator[tuple[ast.AST, str, str]]:
    """Every import: where it is, the module, and the name taken from it ("" for the module itself)."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=aliases):
                yield from ((node, alias.name, "") for alias in aliases)
            case ast.ImportFrom(module=module, names=aliases):
                yield from ((node, module or "", alias.name) for alias in aliases)


def _found(
    sources: list[Source], look: Callable[[Source], Iterator[ast.AST]], where: re.Pattern[str] = re.compile("")
) -> list[str]:
    return [place for source in sources if source.has(where) for place in places(source, look(source))]


def _docstring(source: Source) -> str:
    """What its first statement says, where that is a text and nothing but a text."""
    tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
    first = next(tokens)
    is_alone = first.type == tokenize.STRING and next(tokens).type == tokenize.NEWLINE
    return first.string.strip('"').strip() if is_alone else ""


def test_a_module_says_first_what_it_is() -> None:
    """Whoever opens a file learns from its first line what it is or what it moves."""
    assert RELAY
    assert [source.name for source in RELAY if not _docstring(source)] == [], "no docstring"
    assert [source.name for source in RELAY if not source.text.startswith('"""')] == [], "it is not the first line"


def test_at_most_one_place_catches_everything() -> None:
    """An error's class is its policy; only the supervisor may meet an error it does not know."""

    def broad(source: Source) -> Iterator[ast.AST]:
        everything = {"Exception", "BaseException"}
        for node in ast.walk(source.tree):
            match node:
                case ast.ExceptHandler(type=None):
                    yield node
                case ast.ExceptHandler(type=caught) if caught and everything & {dotted(n) for n in ast.walk(caught)}:
                    yield node
                case ast.Call(func=function, args=caught) if dotted(function).endswith("suppress"):
                    if everything & {dotted(argument) for argument in caught}:
                        yield node

    found = _found(RELAY, broad, _MAY_CATCH_ALL)
    assert len(found) <= 1, found


def test_time_and_chance_come_in_from_outside() -> None:
    """Only relay/clock.py reads the clock and only relay/ids.py makes chance, so that a test can hand in others."""

    def read(source: Source) -> Iterator[ast.AST]:
        yield from _names(source, _CLOCK_AND_CHANCE)
        for node, module, name in _imports(source):
            forbidden = _CLOCK_AND_CHANCE_MODULES.get(module, set())
            if name not in ("", "Random", "UUID", "compare_digest") and (forbidden is None or name in forbidden):
                yield node
        for node in ast.walk(source.tree):  # an unseeded generator is chance as well
            if isinstance(node, ast.Call) and dotted(node.func).endswith("Random") and not node.args:
                yield node

    others = [source for source in RELAY if source.name not in ("relay/clock.py", "relay/ids.py")]
    assert _found(others, read, _MAY_USE_CLOCK_OR_CHANCE) == []


def test_the_domain_uses_the_standard_library_alone() -> None:
    """The language of relay depends on nobody."""
    domain = [source for source in RELAY if source.name.startswith("relay/domain/")]
    allowed = sys.stdlib_module_names | {"relay"}
    foreign = [
        f"{s.name}: {module}" for s in domain for _, module, _ in _imports(s) if module.split(".")[0] not in allowed
    ]
    assert domain
    assert foreign == []


def test_the_core_knows_no_provider() -> None:
    """A new provider is one new folder and not a line elsewhere: nothing that carries texts says a provider's name."""
    core = re.compile(r"relay/(domain|providerkit|journal|bus|rules|stages|telemetry|settings|\w+\.py)\b")
    names = {folder.name for folder in (ROOT / "relay/providers").iterdir() if (folder / "__init__.py").is_file()}
    words = re.compile(
        "|".join(re.escape(word) for name in names for word in (name, name.replace("_", "-"))) or r"(?!)"
    )

    def named(source: Source) -> Iterator[ast.AST]:
        docstrings = {id(node.value) for node in ast.walk(source.tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(source.tree):
            text = node.value if isinstance(node, ast.Constant) and id(node) not in docstrings else None
            if isinstance(text, str) and words.search(text):
                yield node

    assert _found([source for source in RELAY if core.match(source.name)], named) == []


def test_nothing_is_left_unfinished() -> None:
    """What is not done is not there: no marks, no stubs."""
    written = (path for path in project_files() if path.suffix in (".py", ".md", ".toml", ".service", ".conf", ".sql"))
    marks = [f"{path.relative_to(ROOT)}" for path in written if _UNFINISHED.search(path.read_text())]
    assert marks == []


def test_tests_use_no_mocks() -> None:
    """Tests meet real servers and the simulator: a mock proves only what its author believed."""
    imported = [
        f"{s.name}: {m}.{n}" for s in TESTS if s.has(_MAY_MOCK) for _, m, n in _imports(s) if "mock" in f"{m}.{n}"
    ]
    assert _found(TESTS, lambda source: _names(source, _MOCKS), _MAY_MOCK) + imported == []


def test_tests_do_not_sleep() -> None:
    """A test waits for the event itself; a pause is either too short or too long."""

    def pauses(source: Source) -> Iterator[ast.AST]:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and dotted(node.func) in ("asyncio.sleep", "time.sleep"):
                match node.args:
                    case [ast.Constant(value=0), *_]:  # gives way to other tasks, and waits for nothing
                        continue
                yield node
        yield from (node for node, module, name in _imports(source) if (module, name) in _SLEEPS)

    assert _found(TESTS, pauses, _MAY_SLEEP) == []


def test_tests_are_never_skipped() -> None:
    """What is not run is not known: a missing tool is brought or named, never passed over."""
    assert _found(TESTS, lambda source: _names(source, _SKIPS), _MAY_SKIP) == []


def test_a_test_says_what_it_holds() -> None:
    """Each test has a sentence for the reader who sees it fail."""

    def silent(source: Source) -> Iterator[ast.AST]:
        functions = (n for n in ast.walk(source.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
        return (n for n in functions if n.name.startswith("test_") and not ast.get_docstring(n))

    assert TEST_MODULES
    assert _found(TEST_MODULES, silent) == []
