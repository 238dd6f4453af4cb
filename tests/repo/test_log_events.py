"""The catalogue of log events is true: what the code logs is in it, and what is in it is logged."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import pytest

from relay.telemetry.catalogue import CATALOGUE, as_markdown
from tests.repo.sources import ROOT, Source, dotted, python_sources

LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
METHODS = {*LEVELS.values(), "exception", "log"}


@dataclass
class Logged:
    """What the code logs under one name."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    places: list[str] = field(default_factory=list)
    any_level: bool = False


def calls(source: Source) -> Iterator[ast.Call]:
    """Every call of a method of a logger: of `log`, `self._log` and the like."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(value=logger, attr=method)) if method in METHODS:
                if dotted(logger).rpartition(".")[2].lstrip("_") == "log":
                    yield node


def bound_fields(source: Source) -> set[str]:
    """The fields that a file binds to loggers of its own."""
    binds = (
        node for node in ast.walk(source.tree) if isinstance(node, ast.Call) and dotted(node.func).endswith("log.bind")
    )
    return {keyword.arg for bind in binds for keyword in bind.keywords if keyword.arg}


@cache
def logged_by_the_code() -> dict[str, Logged]:
    """Everything that relay logs, by its name."""
    found: dict[str, Logged] = defaultdict(Logged)
    for source in python_sources("relay"):
        for call in calls(source):
            note(call, source, found)
    return found


def note(call: ast.Call, source: Source, found: dict[str, Logged]) -> None:
    """Add one call to what was found."""
    place = f"{source.name}:{call.lineno}"
    assert isinstance(call.func, ast.Attribute)
    method, dynamic = call.func.attr, call.func.attr == "log"
    arguments = call.args[1:] if dynamic else call.args
    match arguments:
        case [ast.Constant(value=str(name))]:
            event = found[name]
        case _:
            pytest.fail(f"{place}: an event's name is a literal, and the only positional argument")
    event.places.append(place)
    if dynamic:
        event.any_level = True
        constants = (node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant))
        event.levels |= {LEVELS[value] for value in constants if isinstance(value, int) and value in LEVELS}
    else:
        event.levels.add("error" if method == "exception" else method)
    event.fields |= {field_name(keyword, place) for keyword in call.keywords}
    event.fields |= {"exception"} if method == "exception" else set()
    if dotted(call.func.value) != "log":
        event.fields |= bound_fields(source)


def field_name(keyword: ast.keyword, place: str) -> str:
    """The field that a keyword becomes."""
    assert keyword.arg, f"{place}: fields are written out, one keyword each"
    return "exception" if keyword.arg == "exc_info" else keyword.arg


OF_LIBRARIES = {"library.logged"}


def test_every_event_that_is_logged_is_in_the_catalogue() -> None:
    """A person who reads a log can look it up."""
    assert {name: event.places for name, event in logged_by_the_code().items() if name not in CATALOGUE} == {}


def test_every_event_in_the_catalogue_is_logged() -> None:
    """Nobody waits for a line that never comes."""
    assert set(CATALOGUE) - set(logged_by_the_code()) == OF_LIBRARIES


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - OF_LIBRARIES))
def test_an_events_fields_and_levels_are_those_of_the_code(name: str) -> None:
    """All of them, and no more."""
    event, entry = logged_by_the_code()[name], CATALOGUE[name]
    assert set(entry.fields.split()) == event.fields, event.places
    levels = set(entry.levels.split())
    assert event.levels <= levels if event.any_level else event.levels == levels, event.places


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_an_event_has_a_dotted_name_and_a_meaning(name: str) -> None:
    """Stable words, and not a sentence."""
    entry = CATALOGUE[name]
    assert re.fullmatch(r"[a-z]+(\.[a-z_]+)+", name)
    assert entry.meaning
    assert "|" not in entry.meaning
    assert set(entry.levels.split()) <= set(LEVELS.values())


def test_the_page_is_made_from_the_catalogue() -> None:
    """`python -c "from relay.telemetry.catalogue import as_markdown; print(as_markdown(), end='')"` makes it."""
    assert (ROOT / "docs" / "log-events.md").read_text() == as_markdown()


def test_the_scan_sees_what_it_is_meant_to_see() -> None:
    """A scan that finds nothing proves nothing."""
    found = logged_by_the_code()
    assert len(found) > 30
    assert {"exception", "stage"} <= found["stage.failed"].fields
