"""The published schemas are those of the code, and say what relay takes and what it says."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from relay import interface
from relay.bus.bodies import BODIES
from relay.bus.commands import read_command
from relay.bus.delivery import Delivery
from relay.bus.payloads import data_schema, event
from relay.bus.requests import BadCommand
from relay.bus.topics import VERBS
from relay.domain.announcements import Announcement
from relay.domain.errors import ErrorCode
from relay.domain.states import Status
from relay.interface import files, schema_names, urn_name
from relay.interface.shapes import COMMANDS, EVENTS, SHAPES
from tests.repo.sources import ROOT, dotted, python_sources
from tests.spoken import misfits
from tests.unit.test_settings_config_files import everything_set

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINIMAL, EXPLAINED = ((ROOT / "config" / name).read_text() for name in ("relay-minimal.toml", "relay.toml"))
COMMITTED = ROOT / "schemas"
FILES = files()
schema = cache(interface.schema)
SCHEMAS = [name for name in schema_names() if name != "asyncapi"]
VALIDATORS = {name: Draft202012Validator(schema(name)) for name in SCHEMAS}


_MAY_ANNOUNCE = re.compile(r"announce|News\(|MailChange\(")
_EVENT = re.compile(r"[a-z]+(-[a-z]+)*")


def announced(tree: ast.Module) -> Iterator[str]:
    """The kinds of events that a module makes, as far as they are written out in the call."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        made, *given = [dotted(one).rpartition(".")[2] for one in (node.func, *node.args)]
        words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if made == "News" and words:
            yield words[0]
        elif (made in {"announce", "MailChange"} or "announce" in given[:1]) and words and _EVENT.fullmatch(words[0]):
            yield f"event.{words[0]}"


def takes(verb: str, body: Any) -> bool:
    """Whether relay takes a command."""
    delivery = Delivery("alerts", verb, None, json.dumps(body).encode())
    return not isinstance(read_command(delivery, NOW), BadCommand)


@pytest.mark.parametrize("name", sorted({*FILES, *(path.name for path in COMMITTED.iterdir())}))
def test_a_committed_file_is_what_the_code_says(name: str) -> None:
    """Make them again by `relay schema --out schemas`."""
    assert json.loads((COMMITTED / name).read_text()) == json.loads(FILES[name])


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_its_examples_fit(name: str) -> None:
    """In the dialect that it names."""
    found = schema(name)
    Draft202012Validator.check_schema(found)
    assert found["examples"]
    for example in found["examples"]:
        VALIDATORS[name].validate(example)


def fields(found: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of a schema, by its path."""
    match found:
        case dict():
            for name, field in (found.get("properties") or {}).items():
                yield f"{path}.{name}", field
            for name, inner in found.items():
                yield from fields(inner, f"{path}/{name}")
        case list():
            for place, inner in enumerate(found):
                yield from fields(inner, f"{path}/{place}")


def is_shown(field: dict[str, Any]) -> bool:
    """Whether a reader sees what may stand there: by examples, by its values, or one level below."""
    ways = [field, *field.get("anyOf", ())]
    kinds = {
        kind for way in ways for kind in ([way["type"]] if isinstance(way.get("type"), str) else way.get("type", []))
    }
    by_itself = any(key in way for way in ways for key in ("examples", "enum", "const", "$ref", "default"))
    return by_itself or kinds <= {"boolean", "null"} or "$ref" in field.get("items", {})


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name != "settings"])
def test_every_field_is_described_and_shown(name: str) -> None:
    """Nobody has to guess. Conditions name fields that are described in their place."""
    found = {**schema(name), "anyOf": None, "not": None}
    found["$defs"] = {key: {**value, "oneOf": None} for key, value in found.get("$defs", {}).items()}
    all_fields = list(fields(found))
    assert [path for path, field in all_fields if not field.get("description")] == []
    assert [path for path, field in all_fields if not is_shown(field)] == []


def test_statuses_and_codes_are_those_of_the_code() -> None:
    """All of them, and no others."""
    definitions = schema("receipt")["$defs"]
    assert definitions["Status"]["enum"] == [status.value for status in Status]
    assert definitions["ErrorCode"]["enum"] == [code.value for code in ErrorCode]


@pytest.mark.parametrize("kind", EVENTS)
def test_dataschema_names_the_schema_of_data(kind: str) -> None:
    """What stands in an event leads to its schema."""
    line = None if kind == "dead" else "alerts"
    said = Announcement("id", kind, line, None, "", 1, NOW, NOW, schema(kind)["examples"][0])
    body = json.loads(event(said))
    assert urn_name(body["dataschema"]) == kind
    assert schema(kind)["$id"] == body["dataschema"] == data_schema(kind)
    VALIDATORS["envelope"].validate(body)
    assert misfits(f"relay/line/alerts/{kind}", body) == []


def test_every_event_that_the_code_announces_has_a_schema() -> None:
    """By the names in the code: `events.announce(line, name, …)`, `News(kind, …)` and changes of stored messages."""
    found = {name for source in python_sources("relay") if source.has(_MAY_ANNOUNCE) for name in announced(source.tree)}
    assert {
        "event.loss-suspected",
        "event.spam-blocked",
        "event.read",
        "event.sent-elsewhere",
        "receipt",
        "dead",
    } <= found
    assert found - EVENTS.keys() == set()


def test_commands_are_those_of_the_topics() -> None:
    """Each verb has a body, and each body a schema."""
    assert set(COMMANDS) == set(BODIES) == set(VERBS)


GOOD: dict[str, list[Any]] = {
    "send": [
        {"to": "2065550123", "text": "x"},
        {
            "to": ["+12065550123", "a@b.example", "short:12345"],
            "media": [{"content_type": "image/png", "data": "aGk="}],
        },
        {"to": "+12065550123", "text": "x", "ttl": 5, "id": None, "group": None, "media": None, "priority": None},
        {"to": "+12065550123", "text": "x", "class": "urgent", "send_at": "2026-11-22T09:00:00Z", "expires_at": None},
        {"to": "+12065550123", "text": "x", "ttl": "10m", "metadata": {"a": [1]}, "on_uncertain": "fail"},
    ],
    "list": [{}, {"limit": 500, "offset": 0, "unread": True, "ref": "r"}],
    "replay": [{"since": "2h"}, {"since": "2026-11-21T09:00:00Z", "until": "1h", "kinds": ["event"]}],
    "update": [{"message_id": "1", "is_unread": False}],
}
BAD: dict[str, list[Any]] = {
    "send": [
        {"to": "2065550123"},
        {"to": "2065550123", "text": " "},
        {"to": "2065550123", "media": []},
        {"to": [], "text": "x"},
        {"to": None, "text": "x"},
        {"to": 2065550123, "text": "x"},
        {"to": "2065550123", "text": "x", "txt": "y"},
        {"to": "2065550123", "text": "x", "ttl": 5, "expires_at": "2026-11-22T09:00:00Z"},
        {"to": "2065550123", "text": "x", "ttl": "soon"},
        {"to": "2065550123", "text": "x", "ttl": 0},
        {"to": "2065550123", "text": "x", "priority": "HIGH"},
        {"to": "2065550123", "text": "x", "receipts": "yes"},
        {"to": "2065550123", "text": "x", "id": ""},
        {"to": "2065550123", "text": "x", "metadata": []},
        {"to": "2065550123", "text": "x", "media": [{"content_type": "image/png"}]},
        {"to": "2065550123", "text": "x", "media": [{"content_type": "image/png", "data": "aGk=", "file": "a"}]},
        {"to": "2065550123", "text": "x", "media": [{"content_type": "png", "data": "aGk="}]},
    ],
    "list": [{"limit": 0}, {"offset": -1}, {"unread": "no"}],
    "replay": [{}, {"since": "2h", "kinds": ["dead"]}],
    "update": [{"message_id": "1"}, {"message_id": "", "is_unread": True}],
    "cancel": [{}, {"id": 1}],
    "get": [{"message_id": "x" * 513}],
}


@pytest.mark.parametrize(("verb", "body"), [(verb, body) for verb, bodies in GOOD.items() for body in bodies])
def test_what_relay_takes_the_schema_takes(verb: str, body: Any) -> None:
    """Nobody is refused by a schema for what relay would do."""
    assert takes(verb, body)
    VALIDATORS[verb].validate(body)


@pytest.mark.parametrize(("verb", "body"), [(verb, body) for verb, bodies in BAD.items() for body in bodies])
def test_what_the_schema_refuses_relay_refuses(verb: str, body: Any) -> None:
    """An editor shows the mistake before relay does."""
    assert not takes(verb, body)
    assert not VALIDATORS[verb].is_valid(body)


_ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", " ", "x", 0, 1, 1.5, True, [], ["x"], {}, "2h", "normal", "bulk"]
)
_SENDS = st.fixed_dictionaries(
    {"to": st.just("2065550123")}, optional={name: _ODD for name in schema("send")["properties"] if name != "to"}
)


@given(_SENDS)
def test_no_command_that_relay_takes_is_refused_by_its_schema(body: dict[str, Any]) -> None:
    """Whatever is put together of odd values."""
    assert not takes("send", body) or VALIDATORS["send"].is_valid(body)


@pytest.mark.parametrize("text", [MINIMAL, EXPLAINED, everything_set(EXPLAINED)], ids=["minimal", "explained", "all"])
def test_settings_files_fit_their_schema(text: str) -> None:
    """Those that are shipped, as they are and with every setting that is commented out."""
    VALIDATORS["settings"].validate(tomllib.loads(text))


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [("bus", "ulr", "mqtt://x"), ("bus", "password", "secret"), ("node", "grace", True), ("queue", "max_copies", 0)],
)
def test_a_mistake_in_settings_is_seen(table: str, key: str, value: Any) -> None:
    """By an editor: a misspelt key, a secret in the file, a wrong type, a bound."""
    good = schema("settings")["examples"][0]
    assert not VALIDATORS["settings"].is_valid({**good, table: {**good.get(table, {}), key: value}})


def test_every_provider_has_its_kind_of_line() -> None:
    """As they are found in their folder."""
    lines = schema("settings")["properties"]["lines"]["additionalProperties"]["oneOf"]
    found = {one["$ref"].rpartition("/")[2] for one in lines}
    assert {schema("settings")["$defs"][name]["properties"]["provider"]["const"] for name in found} == {
        "att-sms",
        "att-inapp",
        "att-landline",
    }


@pytest.mark.parametrize(
    "said",
    [
        {"type": "relay.event.nothing.v1"},
        {"type": "relay.receipt.v1", "data": {"copy_id": 1}},
        {"state": "online", "reason": None, "since": None, "more": 1},
    ],
)
def test_what_nothing_describes_is_noticed(said: dict[str, Any]) -> None:
    """The check that all tests with a bus make can fail."""
    assert misfits("relay/node/relay-1/status", said)


def test_a_further_field_is_noticed_and_a_reader_bears_it() -> None:
    """The tests are strict, and the schema is open."""
    standing = {**schema("node-status")["examples"][0], "more": 1}
    assert misfits("relay/node/relay-1/status", standing)
    VALIDATORS["node-status"].validate(standing)
    assert SHAPES["node-status"].is_read is False
