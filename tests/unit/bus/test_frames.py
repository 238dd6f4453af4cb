"""What comes from a broker is cut into packets, in whatever pieces it comes, and whatever it is."""

from itertools import pairwise
from typing import Any

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bus.frames import Frames, Garbled, NotMqtt, Packet, Unwelcome

COMMAND = mqtt5.PublishPacket(
    "relay/line/alerts/send/wéb",
    b"\xff\x00" * 100,
    qos=mqtt5.QoS.AT_LEAST_ONCE,
    packet_id=300,
    content_type="application/json",
    response_topic="reply/wéb",
    correlation_data=b"\xff\xfe",
    message_expiry_interval=60,
    subscription_ids=[3, 300],
    user_properties=[("traceparent", "00-1"), ("größe", "ü")],
)
PACKETS: list[Any] = [
    COMMAND,
    mqtt5.PublishPacket("t", b"", retain=True),
    mqtt5.PubAckPacket(5),
    mqtt5.PubAckPacket(6, reason_code=mqtt5.PubAckReasonCode.NOT_AUTHORIZED, reason_str="nö"),
    mqtt5.SubAckPacket(7, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE] * 3),
    mqtt5.ConnAckPacket(receive_max=20, assigned_client_id="é", server_keep_alive=9),
    mqtt5.PingRespPacket(),
    mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER, reason_str="é"),
    mqtt5.PublishPacket("t", b"x" * 300, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=9),
]
STREAM = b"".join(packet.write() for packet in PACKETS)


def cut(*pieces: bytes) -> list[Packet]:
    """The packets of what comes in these pieces, each looked at as it comes."""
    frames, found = Frames(), []
    for piece in pieces:
        frames.feed(piece)
        found += list(frames)
    return found


def judged(data: bytes) -> list[Packet] | str:
    """The packets of what comes, or why it is none."""
    try:
        return cut(data)
    except NotMqtt as error:
        return str(error)


def message(topic: bytes, properties: bytes = b"") -> bytes:
    """A message at QoS 1 with the packet id 258."""
    body = len(topic).to_bytes(2, "big") + topic + b"\x01\x02" + bytes([len(properties)]) + properties + b"text"
    return bytes([0x32, len(body)]) + body


@given(st.sets(st.integers(0, len(STREAM))))
def test_the_pieces_in_which_packets_come_change_nothing(places: set[int]) -> None:
    """However the network divides them, in the middle of a length as well."""
    ends = [0, *sorted(places), len(STREAM)]
    assert cut(*(STREAM[start:end] for start, end in pairwise(ends))) == PACKETS


def test_packets_that_come_byte_by_byte_are_whole() -> None:
    """The slowest network there is."""
    assert cut(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == PACKETS


def test_what_was_not_asked_for_yet_waits() -> None:
    """Who takes one packet finds the next ones later, with what has come meanwhile."""
    frames = Frames()
    frames.feed(STREAM[:-1])
    assert next(iter(frames)) == PACKETS[0]
    frames.feed(STREAM[-1:])
    assert list(frames) == PACKETS[1:]


def test_a_large_packet_in_many_pieces_is_put_together() -> None:
    """Several megabytes, as one command with an attachment has."""
    large = mqtt5.PublishPacket("t", bytes(range(256)) * 20_000).write()
    pieces = [large[at : at + 65_536] for at in range(0, len(large), 65_536)]
    [packet] = cut(*pieces)
    assert isinstance(packet, mqtt5.PublishPacket)
    assert packet.payload == bytes(range(256)) * 20_000


@given(st.binary(max_size=300))
def test_whatever_comes_is_packets_or_is_said_to_be_none(data: bytes) -> None:
    """Nothing else is ever raised."""
    found = judged(data)
    assert isinstance(found, list) or found


@given(
    st.sampled_from([packet.write() for packet in PACKETS]),
    st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=2)), min_size=1, max_size=4),
)
def test_damaged_packets_are_packets_or_are_said_to_be_none(packet: bytes, damages: list[tuple[int, bytes]]) -> None:
    """The codec ends with a panic over a string that is none, which must never happen."""
    damaged = bytearray(packet)
    for place, new in damages:
        at = place % len(damaged)
        damaged[at : at + len(new)] = new
    found = judged(bytes(damaged))
    assert isinstance(found, list) or found


@pytest.mark.parametrize(
    ("topic", "properties"),
    [
        (b"relay/\xff", b""),
        (b"relay/\xed\xa0\x80", b""),  # half a surrogate pair
        (b"t", b"\x08\x00\x01\xff"),  # the response topic
        (b"t", b"\x09\x00\x01\xff\x03\x00\x01\xff"),  # the content type, behind correlation data that may be anything
        (b"t", b"\x26\x00\x01a\x00\x01\xff"),  # a user property's value
        (b"t", b"\x0b\x83\x02\x02\x00\x00\x00\xff\x01\x01\x26\x00\x01\xff\x00\x01b"),  # its name, behind numbers
    ],
)
def test_a_message_with_a_string_that_is_none_can_be_acknowledged(topic: bytes, properties: bytes) -> None:
    """It is its sender's fault, and the broker would send it again on each connection."""
    assert cut(message(topic, properties), PACKETS[2].write()) == [Garbled(258, 1), PACKETS[2]]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"HTTP/1.1 400 Bad Request", "no broker sends"),
        (b"S", "no broker sends"),
        (b"\x30\xff\xff\xff\xff\x01", "has no end"),
        (b"\x00\x00", "no broker sends"),
        (b"\x82\x06\x00\x01\x00\x00\x01\xff", "no broker sends"),
        (b"\x40\x01\x00", "remaining length"),
        (b"\x40\x03\x00\x01\x55", "reason"),
        (b"\x40\x08\x00\x01\x87\x04\x1f\x00\x01\xff", "UTF-8"),
        (b"\x40\x08\x00\x01\x87\x04\x1f\x00\x09n", "cut off"),  # a string that is longer than the packet
        (message(b"t", b"\x03\x00\x03n") + b"", "cut off"),  # one that goes on in the payload
        (b"\x32\x02\x00\x09", "cut off"),
        (b"\xe0\x01\x55", "reason"),
    ],
)
def test_what_is_no_mqtt_is_said_to_be_none(data: bytes, why: str) -> None:
    """In words that say what is wrong, and not what came."""
    with pytest.raises(NotMqtt, match=f"(?i){why}"):
        cut(data)


@pytest.mark.parametrize(
    ("connack", "code"),
    [(b"\x20\x03\x00\x87\x00", 0x87), (b"\x20\x03\x00\x55\x00", 0x55), (b"\x20\x02\x00\x01", 0x84)],
)
def test_a_refusal_is_read_whatever_its_code(connack: bytes, code: int) -> None:
    """One as it was before MQTT 5 says that the broker does not speak that."""
    assert cut(connack) == [Unwelcome(code)]
