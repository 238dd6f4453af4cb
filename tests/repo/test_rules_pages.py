"""The pages about the rules of sending are true: they name every setting, and sentences are said."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from relay.domain.errors import ErrorCode
from relay.domain.states import Status
from relay.domain.waiting import Gate, Waiting, Why
from relay.journal import Limit
from relay.providerkit.linesettings import LineSettings
from relay.providers import discover
from relay.settings import Settings
from tests.repo.sources import ROOT

FOLDER = ROOT / "docs/rules"
PAGES = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.md"))}
RULES = [name for name in PAGES if name != "README.md"]
EVERYTHING = "\n".join(PAGES.values())

MODELS = {name: provider.settings for name, provider in discover().items()}
SECTIONS = Settings.model_fields.keys() - {"lines"}
TABLES = {name: Settings.model_fields[name].annotation for name in SECTIONS}
OF_LINES = {key for model in MODELS.values() for key in model.model_fields}
# What the operator sets of the rules: all that every line has, but for how its provider is called.
OF_THE_RULES = {
    *(LineSettings.model_fields.keys() - {"provider", "base_url", "timeout", "window", "webhook_secret"}),
    *(f"{name}.{key}" for name in ("queue", "optout") for key in TABLES[name].model_fields),  # type: ignore[union-attr]
}
PARTS = {"What happens", "Settings", "What relay does not do", "Proved by"}
OUTCOMES = {"accepted", "rejected", "canceled", "checked", "found", "done"}

SOON = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
WAITING = [
    Waiting(NOW, Why.SEND_AT, SOON),
    Waiting(NOW, Why.HOURS, SOON),
    Waiting(NOW, Why.COMPANY, SOON, company=20.0),
    Waiting(NOW, Why.ORDER, SOON, behind="C"),
    Waiting(NOW, Why.RETRY, SOON, attempts=2, problem="the provider is unavailable"),
    Waiting(NOW, Why.HELD, None, held_since=NOW),
    Waiting(NOW, Why.RESTORED, None),
    Waiting(NOW, None, NOW, gate=Gate("held", NOW)),
    *(Waiting(NOW, None, NOW, gate=Gate(limit, SOON), before=3) for limit in ("pace", "day", "month")),
    Waiting(NOW, None, NOW, gate=Gate("circuit", SOON, "3 calls in a row brought no usable answer")),
    Waiting(NOW, None, NOW, before=3),
]


def blocks(page: str, language: str) -> list[str]:
    """The examples of a page that are written in `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)


def spoken_of(text: str) -> set[str]:
    """What stands in backticks."""
    return set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)))


def examples(language: str) -> list[Any]:
    """Each example of a language, and where it is."""
    return [
        pytest.param(block, id=f"{page}-{place}")
        for page in PAGES
        for place, block in enumerate(blocks(page, language))
    ]


def is_setting(name: str) -> bool:
    """Whether a name is one of a line's settings, or one of relay's with its table."""
    table, dot, key = name.partition(".")
    if not dot:
        return name in OF_LINES
    if table == "replies":
        return key in {"stop", "start", "help"}
    return table in TABLES and key in TABLES[table].model_fields  # type: ignore[union-attr]


def named_settings(text: str) -> set[str]:
    """The settings that a page names: those with a table, those with a value, and those in a table's first column."""
    spoken = spoken_of(text)
    dotted = {name for name in spoken if re.fullmatch(rf"({'|'.join(sorted(SECTIONS))}|replies)\.[a-z_]+", name)}
    valued = {name.partition(" = ")[0] for name in spoken if re.fullmatch(r"[a-z_.]+ = \S.*", name)}
    tables = re.findall(r"^\| setting \|.*\n(?:\|.*\n)+", text, re.MULTILINE)
    listed = {name for table in tables for name in re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)}
    return dotted | valued | listed


def test_every_setting_of_the_rules_is_on_a_page() -> None:
    """Whoever sets it finds what it does."""
    spoken = {name.partition(" = ")[0] for name in spoken_of(EVERYTHING)}
    assert OF_THE_RULES - spoken == set()


def values(found: Any, key: str) -> Iterator[str]:
    """Every text that stands under `key`, however deep."""
    if isinstance(found, dict):
        yield from (value for name, value in found.items() if name == key and isinstance(value, str))
    for below in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from values(below, key)


@pytest.mark.parametrize("block", examples("json"))
def test_every_body_is_json_in_relays_words(block: str) -> None:
    """Codes, statuses and outcomes are those that relay has."""
    body = json.loads(block)
    assert set(values(body, "code")) <= {code.value for code in ErrorCode}
    assert set(values(body, "status")) | set(values(body, "previous")) <= {status.value for status in Status}
    assert set(values(body, "outcome")) <= OUTCOMES


@cache
def source() -> str:
    """Everything of relay that is Python."""
    return "\n".join(path.read_text() for path in (ROOT / "relay").rglob("*.py"))


def test_every_event_that_is_named_is_announced_somewhere() -> None:
    """Its name stands in the source."""
    named = set(re.findall(r"/event/([a-z-]+)", EVERYTHING))
    assert {"opt-out", "budget-short", "loop-suspected"} <= named
    assert {name for name in named if f'"{name}"' not in source() and f"event.{name}" not in source()} == set()


@pytest.mark.parametrize("one", WAITING, ids=lambda one: one.word)
def test_every_reason_to_wait_is_explained(one: Waiting) -> None:
    """As `relay trace` says it, with the word that programs test."""
    assert f"| {one.sentence} | `{one.word}` |" in PAGES["README.md"]


def test_no_reason_to_wait_is_left_out() -> None:
    """Of the copy's own, and of its line's."""
    limits = {"line_held" if limit is Limit.HELD else limit.value for limit in Limit}
    assert {one.word for one in WAITING} == {*(why.value for why in Why), *limits, "circuit", "turn"}


@pytest.mark.parametrize("page", RULES)
def test_a_page_has_its_parts(page: str) -> None:
    """And one that says how to see what happens."""
    parts = set(re.findall(r"^## (.*)", PAGES[page], re.MULTILINE))
    assert PARTS - parts == set()
    assert parts & {"Why does it wait?", "How to look"}


@pytest.mark.parametrize("page", RULES)
def test_every_page_is_in_the_list(page: str) -> None:
    """The first page leads to it."""
    assert f"]({page})" in PAGES["README.md"]


@pytest.mark.parametrize(
    "name", ["queue.most", "optout.group", "replies.yes", "calls_per_hour", "lines.alerts.nothing", "hour"]
)
def test_a_name_of_nothing_is_no_setting(name: str) -> None:
    """The check can fail."""
    assert not is_setting(name)


def test_the_settings_are_found() -> None:
    """A search that finds nothing proves nothing."""
    assert {"optout.scope", "queue.repeat_limit", "hours", "zone"} <= named_settings(EVERYTHING)
