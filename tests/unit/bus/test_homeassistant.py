"""Discovery messages for Home Assistant: as its documentation has them, and as its templates read relay's events."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from relay.bus.homeassistant import Described, discovery, discovery_topic
from relay.bus.payloads import event, probe
from relay.bus.topics import Topics
from relay.domain.announcements import Announcement

GOLDEN = Path(__file__).parents[2] / "data" / "homeassistant"
DOCUMENTED = json.loads((GOLDEN / "documented.json").read_text())
NUMBER = "+12065550123"
LINES = {
    "sends": Described("alerts", "att-sms", sends=True, recipients={"alice": NUMBER}),
    "receives": Described("desk", "att-inapp", sends=False),
}
MESSAGE = {"message_id": "m1", "from": "+12065550199", "to": "12345", "text": 'He said "no" {{ 1 }}', "keyword": None}
RECEIPT = {"message_id": "m1", "copy_id": "c1", "to": NUMBER, "status": "delivered", "final": True, "confirmed": True}


def described(which: str) -> dict[str, Any]:
    """The discovery message of one of the lines."""
    return discovery(LINES[which], Topics("relay"), "n1", "1.2.3")


def rendered(template: str, **names: Any) -> str:
    """What Home Assistant's template engine makes of a template."""
    return ImmutableSandboxedEnvironment().from_string(template).render(**names)


def announced(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """An event as relay publishes it, read back."""
    at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    one = Announcement(
        id="e1",
        kind=kind,
        line="alerts",
        client=None,
        subject="m1",
        occurred_at=at,
        recorded_at=at,
        sequence=1,
        body=body,
    )
    read: dict[str, Any] = json.loads(event(one))
    return read


@pytest.mark.parametrize("which", LINES)
def test_a_discovery_message_is_as_the_golden_file_has_it(which: str) -> None:
    """Whoever changes it looks at Home Assistant's documentation, and changes the file."""
    assert described(which) == json.loads((GOLDEN / f"{which}.json").read_text())


@pytest.mark.parametrize("which", LINES)
def test_every_option_is_one_that_home_assistant_documents(which: str) -> None:
    """It takes no message that has another one, or that lacks what it needs."""
    message = described(which)
    shared = DOCUMENTED["message"]
    assert {*shared["required"]} <= {*message} <= {*shared["required"], *shared["shared"]}
    assert {*message["device"]} <= {*DOCUMENTED["device"]}
    assert {*DOCUMENTED["origin"]["required"]} <= {*message["origin"]} <= {*DOCUMENTED["origin"]["known"]}
    assert all({*each} <= {*DOCUMENTED["availability"]} for each in message["availability"])
    for component in message["components"].values():
        platform = DOCUMENTED["platforms"][component["platform"]]
        assert {*platform["required"]} <= {*component} <= {*platform["known"], *DOCUMENTED["every_component"]}


def test_two_relays_on_one_broker_have_devices_of_their_own() -> None:
    """The base tells them apart, in the topic and in every id."""
    ours, theirs = Topics("relay"), Topics("plant/relay")
    assert discovery_topic("homeassistant", ours, "alerts") == "homeassistant/device/relay_alerts/config"
    assert discovery_topic("homeassistant", theirs, "alerts") == "homeassistant/device/plant_relay_alerts/config"
    ids = [{*discovery(LINES["sends"], topics, "n1", "1")["components"]} for topics in (ours, theirs)]
    assert not ids[0] & ids[1]


def test_an_inbound_text_becomes_an_event_with_its_words() -> None:
    """Whatever stands in it: it is data, and no template."""
    template = described("sends")["components"]["relay_alerts_message"]["value_template"]
    told = json.loads(rendered(template, value_json=announced("message", MESSAGE)))
    assert told["event_type"] == "received"
    assert {name: told[name] for name in MESSAGE} == MESSAGE


def test_a_probe_of_relays_own_is_no_event() -> None:
    """An empty object says that nothing has happened ("Example processing event data using a value template")."""
    found = described("sends")["components"]
    sounding = json.loads(probe("relay/line/alerts/message").payload)
    for part in ("message", "delivery"):
        assert json.loads(rendered(found[f"relay_alerts_{part}"]["value_template"], value_json=sounding)) == {}


def test_the_end_of_a_copy_becomes_an_event_and_what_came_before_does_not() -> None:
    """One event a copy, of a type that was announced."""
    component = described("sends")["components"]["relay_alerts_delivery"]
    end = json.loads(rendered(component["value_template"], value_json=announced("receipt", RECEIPT)))
    assert end["event_type"] in component["event_types"]
    assert (end["to"], end["confirmed"]) == (NUMBER, True)
    before = announced("receipt", {**RECEIPT, "status": "submitted", "final": False})
    assert json.loads(rendered(component["value_template"], value_json=before)) == {}


@pytest.mark.parametrize(("state", "connected"), [("ready", "ON"), ("throttled", "ON"), ("unreachable", "OFF")])
def test_a_line_is_connected_while_it_does_its_work(state: str, connected: str) -> None:
    """Throttled is in order: it goes on by itself."""
    component = described("sends")["components"]["relay_alerts_connectivity"]
    assert rendered(component["value_template"], value_json={"state": state}) == connected


@pytest.mark.parametrize(("state", "there"), [("online", "online"), ("degraded", "online"), ("offline", "offline")])
def test_a_line_is_there_while_its_node_is(state: str, there: str) -> None:
    """The node's will says offline."""
    [availability] = described("sends")["availability"]
    assert availability["topic"] == "relay/node/n1/status"
    assert rendered(availability["value_template"], value_json={"state": state}) == there


@pytest.mark.parametrize("text", ["Water!", 'He said "no"\nand {"to": "+1"} <b>', "\\ ünï 😀"])
def test_a_notification_becomes_a_send_request(text: str) -> None:
    """To the number that stands behind the name, with the text as it is."""
    component = described("sends")["components"]["relay_alerts_notify_alice"]
    assert component["command_topic"] == "relay/line/alerts/send"
    assert json.loads(rendered(component["command_template"], value=text)) == {"to": NUMBER, "text": text}


def test_a_line_that_sends_nothing_notifies_nobody() -> None:
    """And no copy of it ends."""
    platforms = [one["platform"] for one in described("receives")["components"].values()]
    assert sorted(platforms) == ["binary_sensor", "event", "sensor", "sensor", "sensor"]
