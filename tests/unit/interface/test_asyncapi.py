"""The AsyncAPI document, read by the AsyncAPI project's own parser, and held against relay's topics."""

import json
import shutil
import subprocess
from copy import deepcopy
from typing import Any

import pytest
from jsonschema import Draft7Validator

from relay.bus.topics import Topics
from relay.interface import schema
from relay.interface.shapes import COMMANDS, EVENTS, SHAPES
from tests.repo.sources import ROOT
from tests.spoken import misfits

DOCUMENT = schema("asyncapi")
CURE = "as any user: scripts/ready dev (and as root, where Node.js is missing: scripts/tools)"
NEWER = "asyncapi-latest-version"  # a remark that AsyncAPI has gone on
NAMES = {"{line}": "alerts", "{node}": "relay-1", "{client}": "shop"}


def parsed(*documents: Any) -> list[dict[str, Any]]:
    """For each document its channels, and what the parser finds wrong with it."""
    node = shutil.which("node")
    assert node, f"node is missing: {CURE}"
    script = ROOT / "tests/javascript/asyncapi.js"
    assert (script.parent / "node_modules/@asyncapi/parser").is_dir(), f"@asyncapi/parser is missing: {CURE}"
    done = subprocess.run([node, script], input=json.dumps(documents).encode(), capture_output=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def broken() -> dict[str, Any]:
    """One operation with the channels that it needs, and two mistakes."""
    document = deepcopy(DOCUMENT)
    document["operations"] = {"receiveSend": document["operations"]["receiveSend"]}
    document["channels"] = {name: document["channels"][name] for name in ("send", "result")}
    del document["info"]["title"]
    document["components"]["schemas"]["result"]["properties"]["outcome"]["type"] = "word"
    return document


def test_the_asyncapi_projects_own_parser_finds_nothing_wrong() -> None:
    """And it finds mistakes that were made for it."""
    whole, seeded = parsed(DOCUMENT, broken())
    assert [one for one in whole["found"] if one["code"] != NEWER] == []
    assert sorted(whole["channels"]) == sorted(DOCUMENT["channels"])
    found = {".".join(map(str, one["path"])) for one in seeded["found"] if one["severity"] == 0}
    assert "info" in found
    assert any(path.endswith("properties.outcome.type") for path in found)


def filled(address: str) -> str:
    """The address with names in it."""
    for name, value in NAMES.items():
        address = address.replace(name, value)
    return address


def test_what_relay_hears_is_what_it_subscribes_to() -> None:
    """Each command's topic, with and without a client; and nothing else."""
    heard = {
        one["channel"]["$ref"].rpartition("/")[2]: one
        for one in DOCUMENT["operations"].values()
        if one["action"] == "receive"
    }
    topics = Topics()
    read = {name: topics.command(filled(DOCUMENT["channels"][name]["address"])) for name in heard}
    assert {(one.verb, one.client) for one in read.values() if one} == {
        (verb, client) for verb in COMMANDS for client in (None, "shop")
    }
    assert None not in read.values()
    answered = {name: one["reply"]["channel"]["$ref"] for name, one in heard.items()}
    assert all(
        ref.endswith("resultOfClient" if name.endswith("OfClient") else "result") for name, ref in answered.items()
    )


def test_what_relay_says_is_on_its_topics() -> None:
    """Every topic that a node says it publishes on, and one for every event."""
    said = {
        filled(DOCUMENT["channels"][one["channel"]["$ref"].rpartition("/")[2]]["address"] or "")
        for one in DOCUMENT["operations"].values()
        if one["action"] == "send"
    }
    assert {*Topics().own(["alerts"], "relay-1")} <= said
    assert {f"relay/line/alerts/{kind.replace('event.', 'event/')}" for kind in EVENTS if kind != "dead"} <= said


def test_states_are_retained_and_nothing_else() -> None:
    """As subscribers meet them."""
    retained = {
        one["channel"]["$ref"].rpartition("/")[2]
        for one in DOCUMENT["operations"].values()
        if one["bindings"]["mqtt"]["retain"]
    }
    assert retained == {"nodeStatus", "nodeInfo", "lineStatus"}


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "envelope"])
def test_an_example_fits_its_schema(name: str) -> None:
    """For tools that know draft 7 of JSON Schema alone, and for the code."""
    message = DOCUMENT["components"]["messages"][name]
    rooted = {**message["payload"], "components": DOCUMENT["components"]}
    Draft7Validator.check_schema(rooted)
    for example in message["examples"]:
        Draft7Validator(rooted).validate(example["payload"])
        if name in EVENTS:
            assert misfits("relay/line/alerts/x", example["payload"]) == []
