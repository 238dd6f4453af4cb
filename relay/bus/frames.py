"""bytes -> packets of MQTT 5, as they come in pieces, and whatever they are.

The codec takes every string for UTF-8 and ends with a panic where it is none, so strings are looked at before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import mqtt5

from relay.bus.errors import UNSUPPORTED_PROTOCOL

_CONNACK, _PUBLISH = 0x20, 0x30
# The first byte of each packet that a broker sends (MQTT 5, section 3), and where the properties begin in its body;
# PUBLISH apart.
_PROPERTIES = {_CONNACK: 2, 0x40: 3, 0x50: 3, 0x62: 3, 0x70: 3, 0x90: 2, 0xB0: 2, 0xD0: 0, 0xE0: 1, 0xF0: 1}
# How long the value of each property is (section 2.2.2.2): in bytes, or in strings, or as it says itself.
_BYTES = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
_STRINGS = {**dict.fromkeys((0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F), 1), 0x26: 2}
_BINARY = (0x09, 0x16)
_VARINT = 0x0B
_MOST_DIGITS = 4  # of a length
_OLD_CONNACK = 2  # bytes of one's body before MQTT 5


class NotMqtt(ValueError):  # noqa: N818 - it says what came
    """What came is no packet that a broker of MQTT 5 may send."""


@dataclass(frozen=True, slots=True)
class Unwelcome:
    """A CONNACK that refuses; one from before MQTT 5 says that this is not spoken, whatever its code was."""

    code: int


@dataclass(frozen=True, slots=True)
class Garbled:
    """A message whose topic or properties hold a string that is none: its sender's fault, which the broker let pass."""

    packet_id: int
    qos: int


Packet = mqtt5.Packet | Unwelcome | Garbled


class Frames:
    """Cuts what comes into packets; each is cut off when it is asked for, so that the rest can wait."""

    def __init__(self) -> None:
        self._bytes: bytes | bytearray = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """More has come."""
        if self._at == len(self._bytes):
            self._bytes, self._at = data, 0
            return
        if not isinstance(self._bytes, bytearray):
            self._bytes = bytearray(self._bytes)
        del self._bytes[: self._at]
        self._at = 0
        self._bytes += data

    def __iter__(self) -> Iterator[Packet]:
        """The packets that are whole.

        Raises:
            NotMqtt: there is none to be made of what came.
        """
        while (body := self._body()) is not None:
            start, end = body
            first, frame = self._bytes[self._at], self._bytes[self._at : end]
            at, self._at = self._at, end
            yield _read(first, frame, start - at)

    def _body(self) -> tuple[int, int] | None:
        """Where the body of the next packet begins and ends; None where it is not whole."""
        here, at = self._bytes, self._at + 1
        if at <= len(here) and here[at - 1] & 0xF0 != _PUBLISH and here[at - 1] not in _PROPERTIES:
            raise NotMqtt("a packet that no broker sends")
        length = shift = 0
        while at < len(here):
            digit = here[at]
            at += 1
            length |= (digit & 0x7F) << shift
            if digit < 0x80:  # noqa: PLR2004 - the bit that says that more follows
                return (at, at + length) if at + length <= len(here) else None
            shift += 7
            if shift == 7 * _MOST_DIGITS:
                raise NotMqtt("a packet's length has no end")
        return None


def _read(first: int, frame: bytes | bytearray, start: int) -> Packet:
    try:
        return _publish(first, frame, start) if first & 0xF0 == _PUBLISH else _other(first, frame, start)
    except UnicodeDecodeError:
        raise NotMqtt("a string is not UTF-8") from None
    except IndexError:
        raise NotMqtt("a packet is cut off") from None
    except NotMqtt:
        raise
    except ValueError as error:
        raise NotMqtt(str(error).lower()) from None


def _publish(first: int, frame: bytes | bytearray, start: int) -> Packet:
    qos = first >> 1 & 3
    topic = start + 2 + (frame[start] << 8 | frame[start + 1])
    after = topic + (2 if qos else 0)
    try:
        frame[start + 2 : topic].decode()
        if frame[after]:
            _look_at_properties(frame, after)
    except UnicodeDecodeError:
        return Garbled(int.from_bytes(frame[topic:after], "big"), qos)
    return mqtt5.read(memoryview(frame))[0]


def _other(first: int, frame: bytes | bytearray, start: int) -> Packet:
    if first == _CONNACK and frame[start + 1]:
        is_old = len(frame) - start == _OLD_CONNACK
        return Unwelcome(UNSUPPORTED_PROTOCOL if is_old else frame[start + 1])
    if len(frame) > start + _PROPERTIES[first]:
        _look_at_properties(frame, start + _PROPERTIES[first])
    return mqtt5.read(memoryview(frame))[0]


def _look_at_properties(frame: bytes | bytearray, at: int) -> None:
    """Whether all strings among the properties are strings, and end within them; the rest is the codec's to judge.

    Raises:
        UnicodeDecodeError: one is not.
        IndexError: they are cut off.
    """
    length, at = _varint(frame, at)
    end = at + length
    while at < end:
        name = frame[at]
        at += 1
        if name in _STRINGS:
            for _ in range(_STRINGS[name]):
                start, at = at + 2, at + 2 + (frame[at] << 8 | frame[at + 1])
                frame[start:at].decode()
        elif name in _BYTES:
            at += _BYTES[name]
        elif name in _BINARY:
            at += 2 + (frame[at] << 8 | frame[at + 1])
        elif name == _VARINT:
            at = _varint(frame, at)[1]
        else:
            return
    if at != end:
        raise IndexError


def _varint(frame: bytes | bytearray, at: int) -> tuple[int, int]:
    """A length, and where it ends."""
    length = shift = 0
    while True:
        digit = frame[at]
        at += 1
        length |= (digit & 0x7F) << shift
        if digit < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return length, at
        shift += 7
