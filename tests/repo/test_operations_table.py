"""The operations table is true: nothing of the documents is missing, everything named exists, every row is tested."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError
from typer.main import get_command

from relay.bus.bodies import SendBody
from relay.bus.topics import VERBS
from relay.cli.main import app
from relay.clock import SystemClock
from relay.ids import Ids
from relay.providerkit.operations import Operation
from relay.providerkit.simulated import Ledger, World
from relay.providerkit.simulated.oauthroutes import OAuthRoutes
from relay.providers import discover
from relay.settings.model import Settings
from relay.simulator.discovery import discover as simulators
from tests.repo.operation_marks import BEGIN
from tests.repo.sources import ROOT

PROVIDERS = discover()
ROWS = [(name, row) for name, provider in PROVIDERS.items() for row in provider.operations]
BY_NAME = [pytest.param(name, row, id=f"{name}: {row.name}") for name, row in ROWS]
OPENAPI = {"att-sms": "att-sms-v3.yaml", "att-inapp": "att-in-app-messaging-v2.yaml"}
SHAPES = ("documented", "served")

# What the other two documents describe: the heading, and the operation below it as its Resource line, its example or
# its cURL sample has it. Ids are {}; where a document contradicts itself every reading is here.
SMS_DOCUMENTATION = [
    ("OAuth", "POST", "/oauth/v4/token"),
    ("Get SMS, AT&T", "GET", "/rest/sms/2/messaging/inbox?RegistrationID={}"),
    # The Resource line has `messaging/inbox/` too many; this is the example.
    ("Get SMS, GSMA OneAPI", "GET", "/2/smsmessaging/inbound/registrations/{}/messages"),
    ("Get SMS Delivery Status, AT&T", "GET", "/rest/sms/2/messaging/outbox/{}"),
    ("Get SMS Delivery Status, GSMA OneAPI", "GET", "/2/smsmessaging/outbound/requests/{}/{}/deliveryInfos"),
    ("Get SMS Delivery Status, GSMA OneAPI, example", "GET", "/2/smsmessaging/outbound/{}/{}/deliveryInfos"),
    ("Send SMS, Quickstart, cURL", "POST", "/rest/sms/2/messaging/outbox"),
    ("Send SMS, Quickstart, C#", "POST", "/sms/v3/messaging/outbox"),
]
SMS_CALLBACKS = {"Receive SMS", "Receive SMS Delivery Status"}
LANDLINE_DOCUMENTATION = [
    ("Send to One Individual Contact", "/message/send"),
    ("Send to Multiple Individual Contacts", "/message/send"),
    ("Send a Scheduled Message", "/message/send"),
    ("Install Web Hooks", "/webhook/add"),
    ("List Web Hooks", "/webhook/list"),
    ("Update Web Hooks", "/webhook/update"),
    ("Delete Web Hooks", "/webhook/delete"),
    ("MMS Retrieve Process", "/messageAttachment/list"),
    ("Retrieve Hosted Content", "/hostedContent/get"),
    ("MMS Send", "/messaging/send"),
    # "Session is the response of user/login": Install Web Hooks, Parameters.
    ("user/login", "/user/login"),
]
LANDLINE_EVENTS = {"Delete", "Progress", "Read", "Receive", "Send"}

TOPICS = {"message", "receipt", "result", "status"}
_EVENT = re.compile(r"event\.([a-z-]+)|\"(read|updated|deleted)\"|(?<=\.alias, )\"([a-z-]+)\"")
_QUOTED = re.compile(r"`([^`]+)`")
_VALUE_OF = re.compile(r"`([a-z_]+)` is `([^`]+)`")


def plain(path: str) -> str:
    """A path with {} for every id."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def shown(provider: str, *, callbacks: bool = False) -> set[tuple[str, str]]:
    """Every method and path of a provider's rows."""
    rows = (row for name, row in ROWS if name == provider and row.is_callback is callbacks)
    return {(row.method, plain(row.path)) for row in rows}


@pytest.mark.parametrize(("provider", "file"), OPENAPI.items())
def test_every_operation_of_an_openapi_document_is_a_row(provider: str, file: str) -> None:
    """Whatever its method; the documents are AT&T's, as published."""
    document = yaml.safe_load((ROOT / "tests/contract/provider/openapi" / file).read_text())
    described = {(method.upper(), plain(path)) for path, item in document["paths"].items() for method in item}
    assert len(described) >= 4
    assert described - shown(provider) == set()


def test_every_resource_of_the_sms_documentation_is_a_row() -> None:
    """And both of its callbacks."""
    assert [told for told in SMS_DOCUMENTATION if told[1:] not in shown("att-sms")] == []
    assert {row.name for row in PROVIDERS["att-sms"].operations if row.is_callback} == SMS_CALLBACKS


def test_every_call_of_the_landline_documentation_is_a_row() -> None:
    """Under the heading that describes it; and each event is a callback."""
    rows = {(row.name, row.path) for row in PROVIDERS["att-landline"].operations}
    assert [told for told in LANDLINE_DOCUMENTATION if told not in rows] == []
    events = {row.name.removeprefix("Event ") for row in PROVIDERS["att-landline"].operations if row.is_callback}
    assert events == LANDLINE_EVENTS


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_row_has_a_name_of_its_own(name: str) -> None:
    """By it a test says which operation it makes; and no provider is without rows."""
    names = [row.name for row in PROVIDERS[name].operations]
    assert names
    assert len(set(names)) == len(names)


@cache
def marks() -> frozenset[tuple[str, ...]]:
    """What the provider contract's tests say that they make, as pytest collects them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "tests.repo.operation_marks"]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "tests/contract/provider"],
        cwd=ROOT,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    lines = (line.removeprefix(BEGIN) for line in done.stdout.splitlines() if line.startswith(BEGIN))
    return frozenset(tuple(json.loads(line)) for line in lines)


@pytest.mark.parametrize(("provider", "row"), BY_NAME)
def test_a_row_is_tested_in_both_shapes(provider: str, row: Operation) -> None:
    """Over real sockets: as documented, and as it was seen to be served."""
    assert {shape for shape in SHAPES if (provider, row.name, shape) not in marks()} == set()


def test_no_test_makes_an_operation_that_is_no_row() -> None:
    """A mark with a slip in it would prove nothing."""
    known = {(name, row.name, shape) for name, row in ROWS for shape in SHAPES}
    assert marks() - known == set()


@cache
def served() -> frozenset[tuple[str, str]]:
    """Every method and path that the simulator has a route for."""
    clock = SystemClock()
    world = World(clock, Ids(clock), Ledger(clock))
    routes: list[web.RouteDef] = list(OAuthRoutes(world).routes())
    for make in simulators():
        routes += make(world).routes()
    return frozenset((route.method, plain(route.path)) for route in routes)


@pytest.mark.parametrize(
    ("provider", "row"),
    [pytest.param(name, row, id=f"{name}: {row.name}") for name, row in ROWS if not row.is_callback],
)
def test_the_simulator_serves_a_row(provider: str, row: Operation) -> None:
    """Under the same method and path; what it calls back is seen by the tests that make the row."""
    assert (row.method, plain(row.path).partition("?")[0]) in served(), provider


def command_names() -> set[str]:
    """Every command of relay's, with the command that it is below."""
    return {f"relay {words}" for words in _below(get_command(app))}


def _below(group: Any) -> Iterator[str]:
    for name, command in group.commands.items():
        yield name
        if hasattr(command, "commands"):
            yield from (f"{name} {below}" for below in _below(command))


def events() -> set[str]:
    """Every event that the source announces, as far as it is written out."""
    texts = [path.read_text() for path in (ROOT / "relay").rglob("*.py")]
    return {next(filter(None, found)) for text in texts for found in _EVENT.findall(text)}


def is_known(name: str, settings: type[BaseModel]) -> bool:
    """Whether a topic, a command, a setting or a field of a request is one of relay's."""
    match name.split("/"):
        case ["relay", "line", "<line>", "event", event]:
            return event in events()
        case ["relay", "line", "<line>", what]:
            return what in VERBS or what in TOPICS
    if name.startswith("relay "):
        return name in command_names()
    if " = " in name:
        key, _, value = name.partition(" = ")
        return takes(settings, key, value)
    section, dot, key = name.partition(".")
    if dot:
        return key in Settings.model_fields[section].annotation.model_fields  # type: ignore[union-attr]
    return name in settings.model_fields or name in SendBody.model_fields


def takes(settings: type[BaseModel], key: str, value: str) -> bool:
    """Whether a line's setting may have a value, which is written as in TOML."""
    field = settings.model_fields.get(key)
    if field is None:
        return False
    annotation: Any = field.annotation
    try:
        TypeAdapter(annotation).validate_python(tomllib.loads(f"value = {value}")["value"])
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("provider", "row"), BY_NAME)
def test_everything_that_reaches_a_row_is_there(provider: str, row: Operation) -> None:
    """Each name in backticks: topics, commands, settings with their values, fields of a request."""
    settings = PROVIDERS[provider].settings
    told = row.reached_by
    for key, value in _VALUE_OF.findall(told):
        assert takes(settings, key, value), f"{key} = {value}"
        told = told.replace(f"`{key}` is `{value}`", f"`{key}`")
    names = _QUOTED.findall(told)
    assert names, "nothing that reaches it is named"
    assert [name for name in names if not is_known(name, settings)] == []


@pytest.mark.parametrize(
    "name", ["relay/line/<line>/shout", "relay webhooks plant", 'dialect = "morse"', "no_such_setting", "media.nothing"]
)
def test_a_name_of_nothing_is_not_taken_for_one(name: str) -> None:
    """The check can fail."""
    assert not is_known(name, PROVIDERS["att-sms"].settings)


def test_the_events_are_found() -> None:
    """A search that finds nothing proves nothing."""
    assert {"read", "deleted", "sent-elsewhere", "spam-blocked"} <= events()


def test_marks_say_all_three_things() -> None:
    """Provider, operation, shape."""
    assert {len(mark) for mark in marks()} == {3}
