"""What relay says in MQTT 5, and what it cannot say."""

from dataclasses import replace
from typing import Any

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bus import packets5
from relay.bus.config import BusSettings
from relay.bus.dial import Dial
from relay.bus.errors import PACKET_TOO_LARGE, TOPIC_NAME_INVALID, PublishRefused
from relay.bus.payloads import Publication

PLAIN = Publication("t", b"text")
SETTINGS = BusSettings(url="mqtt://127.0.0.1", node="n1", max_held=7, session_expiry=99, keepalive=12)


def read(packet: bytes) -> Any:
    """What a broker reads."""
    return mqtt5.read(memoryview(packet))[0]


def test_a_connection_keeps_its_session_only_where_it_is_to() -> None:
    """The node's own has a will instead."""
    will = Publication("relay/node/n1/status", b"{}", retain=True, content_type="application/json")
    dial = Dial(settings=SETTINGS, client_id="n1", protocol="5", will=will)
    own = read(packets5.connect(dial))
    assert (own.client_id, own.clean_start, own.session_expiry_interval, own.keep_alive) == ("n1", True, 0, 12)
    assert (own.receive_max, own.username, own.password) == (7, None, None)
    assert (own.will.topic, own.will.payload, own.will.retain) == (will.topic, b"{}", True)
    assert (int(own.will.qos), own.will.content_type) == (1, "application/json")
    commands = read(packets5.connect(replace(dial, persistent=True, will=None)))
    assert (commands.clean_start, commands.session_expiry_interval, commands.will) == (False, 99, None)


def test_user_and_password_are_said_as_they_are() -> None:
    """In UTF-8; an empty password is one."""
    for password in ("pässword", ""):
        dial = Dial(settings=replace(SETTINGS, username="relay", password=password), client_id="n1", protocol="5")
        said = read(packets5.connect(dial))
        assert (said.username, said.password) == ("relay", password.encode())


@given(st.text(st.characters(exclude_characters="\0+#", exclude_categories=["Cs"]), min_size=1), st.binary())
def test_what_can_be_published_is_read_as_it_was_said(topic: str, payload: bytes) -> None:
    """At QoS 1, with all that MQTT 5 carries beside it."""
    what = Publication(
        topic, payload, retain=True, content_type="application/json", correlation=payload, traceparent="00-1"
    )
    said = read(packets5.publish(what, 65_535))
    assert (said.topic, said.payload, said.retain, said.packet_id) == (topic, payload, True, 65_535)
    assert (int(said.qos), said.content_type, said.correlation_data) == (1, "application/json", payload)
    assert (said.user_properties, said.duplicate) == ([("traceparent", "00-1")], False)


@pytest.mark.parametrize("topic", ["", "a/+/b", "a/#", "a\0b", "a\ud800", "t" * 70_000])
def test_a_topic_that_is_none_is_refused_for_good(topic: str) -> None:
    """Before it is sent: the broker would close the connection over it."""
    with pytest.raises(PublishRefused) as refused:
        packets5.publish(replace(PLAIN, topic=topic), 1)
    assert (refused.value.reason, refused.value.poison) == (TOPIC_NAME_INVALID, True)


@pytest.mark.parametrize(
    ("what", "largest"),
    [
        (PLAIN, len(packets5.publish(PLAIN, 1)) - 1),
        (replace(PLAIN, payload=bytes(packets5.LARGEST)), packets5.LARGEST),
        (replace(PLAIN, correlation=bytes(70_000)), packets5.LARGEST),
    ],
)
def test_what_is_too_large_is_refused_for_good(what: Publication, largest: int) -> None:
    """For the broker, or for MQTT."""
    with pytest.raises(PublishRefused) as refused:
        packets5.publish(what, 1, largest)
    assert (refused.value.reason, refused.value.poison) == (PACKET_TOO_LARGE, True)


def test_the_largest_that_the_broker_takes_is_published() -> None:
    """To the byte."""
    packet = packets5.publish(PLAIN, 1)
    assert packets5.publish(PLAIN, 1, len(packet)) == packet


@pytest.mark.parametrize(
    ("retained", "handling"),
    [(True, mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS), (False, mqtt5.RetainHandling.SEND_NEVER)],
)
def test_a_subscription_tells_retained_messages_apart(handling: mqtt5.RetainHandling, *, retained: bool) -> None:
    """A retained command is to be refused."""
    said = read(packets5.subscribe(["a/+", "b/#"], 9, retained=retained))
    assert [each.pattern for each in said.topic_filters] == ["a/+", "b/#"]
    assert said.packet_id == 9
    for each in said.topic_filters:
        assert (int(each.max_qos), each.retain_as_published, each.retain_handling) == (1, True, handling)


def test_answers_and_goodbyes_are_as_mqtt_has_them() -> None:
    """PUBACK, PUBREC, PUBCOMP, UNSUBSCRIBE, DISCONNECT and PINGREQ, in their shortest form."""
    assert packets5.acknowledge(258, 1) == b"\x40\x02\x01\x02"
    assert packets5.acknowledge(258, 2) == b"\x50\x02\x01\x02"
    assert packets5.complete(258) == b"\x70\x02\x01\x02"
    assert read(packets5.unsubscribe(("a", "b"), 3)).patterns == ["a", "b"]
    assert [int(read(packets5.disconnect(reason)).reason_code) for reason in (0, 0x97)] == [0, 0x97]
    assert packets5.PING == b"\xc0\x00"
