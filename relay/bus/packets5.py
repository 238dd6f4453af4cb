"""what relay says -> bytes of MQTT 5."""

from collections.abc import Sequence

from mqtt5 import (
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    PingReqPacket,
    PubAckPacket,
    PubCompPacket,
    PublishPacket,
    PubRecPacket,
    QoS,
    RetainHandling,
    SubscribePacket,
    TopicFilter,
    UnsubscribePacket,
    Will,
)

from relay.bus.dial import Dial
from relay.bus.errors import NORMAL, PACKET_TOO_LARGE, QUOTA_EXCEEDED, TOPIC_NAME_INVALID, PublishRefused
from relay.bus.payloads import Publication

AT_LEAST_ONCE = QoS.AT_LEAST_ONCE
EXACTLY_ONCE = 2
PING = PingReqPacket().write()
LARGEST = 0x0FFF_FFFF  # bytes of a packet, in any case: there are no more digits for its length

_MOST_BESIDE = 0x4_0000  # bytes of a packet beside its payload: four fields of the longest
_LONGEST = 0xFFFF  # bytes of such a field
_REASONS = {
    NORMAL: DisconnectReasonCode.NORMAL_DISCONNECTION,
    QUOTA_EXCEEDED: DisconnectReasonCode.QUOTA_EXCEEDED,
}


def connect(dial: Dial) -> bytes:
    """Asks to be let in."""
    settings = dial.settings
    return ConnectPacket(
        dial.client_id,
        username=settings.username,
        password=settings.password.encode() if settings.password is not None else None,
        clean_start=not dial.persistent,
        will=_will(dial.will) if dial.will else None,
        keep_alive=settings.keepalive,
        session_expiry_interval=settings.session_expiry if dial.persistent else 0,
        receive_max=settings.max_held,
    ).write()


def publish(what: Publication, packet_id: int, largest: int = LARGEST) -> bytes:
    """Publishes at QoS 1.

    Raises:
        PublishRefused: it can be no packet, or none of so many bytes: its topic is none that can be published on, or
            it is too large.
    """
    topic, correlation = what.topic, what.correlation
    if "\0" in topic:
        raise PublishRefused(TOPIC_NAME_INVALID)
    if len(what.payload) > LARGEST - _MOST_BESIDE or len(correlation or b"") > _LONGEST:
        raise PublishRefused(PACKET_TOO_LARGE)
    try:
        packet = PublishPacket(
            topic,
            what.payload,
            qos=AT_LEAST_ONCE,
            retain=what.retain,
            packet_id=packet_id,
            content_type=what.content_type,
            correlation_data=correlation,
            user_properties=[("traceparent", what.traceparent)] if what.traceparent else None,
        ).write()
    except ValueError:  # wildcards, nothing at all, what is no text; all else is relay's own
        raise PublishRefused(TOPIC_NAME_INVALID) from None
    if len(packet) > largest:
        raise PublishRefused(PACKET_TOO_LARGE)
    return packet


def acknowledge(packet_id: int, qos: int) -> bytes:
    """Takes a message off the broker."""
    return (PubRecPacket if qos == EXACTLY_ONCE else PubAckPacket)(packet_id).write()


def complete(packet_id: int) -> bytes:
    """Ends the exchange over a message at QoS 2."""
    return PubCompPacket(packet_id).write()


def subscribe(filters: Sequence[str], packet_id: int, *, retained: bool) -> bytes:
    """Subscribes at QoS 1."""
    # Without RetainAsPublished a retained command would look like any other while we are subscribed.
    # Those of a session that goes on have come already: at each connection they would be refused again.
    handling = RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS if retained else RetainHandling.SEND_NEVER
    wishes = [
        TopicFilter(each, max_qos=AT_LEAST_ONCE, retain_as_published=True, retain_handling=handling) for each in filters
    ]
    return SubscribePacket(packet_id, wishes).write()


def unsubscribe(filters: Sequence[str], packet_id: int) -> bytes:
    """Hears these no more."""
    return UnsubscribePacket(packet_id, list(filters)).write()


def disconnect(reason: int) -> bytes:
    """Says goodbye."""
    return DisconnectPacket(reason_code=_REASONS[reason]).write()


def _will(will: Publication) -> Will:
    return Will(will.topic, payload=will.payload, qos=AT_LEAST_ONCE, retain=will.retain, content_type=will.content_type)
