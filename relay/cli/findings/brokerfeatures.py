"""What a broker says of itself as it lets relay in (MQTT 5) -> what relay needs of it, and what it does not have."""

from collections.abc import Iterator

from mqtt5 import ConnAckPacket

from relay.cli.findings import Finding, hint, wrong
from relay.settings import Settings

_PART = "broker"
_FEW = 10  # publishes that may wait for their confirmation; mosquitto's own limit is 20
_ENVELOPE = 64 * 1024  # bytes of an event beside an attachment
_DAY = 86_400


def look_at_features(granted: ConnAckPacket | None, settings: Settings, session: int) -> list[Finding]:
    """What is missing.

    Args:
        granted: of the CONNACK; None on MQTT 3.1.1, which has nothing of this.
        settings: the whole tree.
        session: seconds that the broker was asked to keep the session.
    """
    if granted is None:
        return []
    return [*_lacks(granted), *_sizes(granted, settings), *_keeps(granted, session)]


def _lacks(granted: ConnAckPacket) -> Iterator[Finding]:
    if int(granted.max_qos) < 1:
        why = "nobody would know whether the broker has a message: relay publishes and subscribes at QoS 1"
        yield wrong(_PART, "the broker allows QoS 0 only", why, "raise the broker's limit (mosquitto: max_qos 1)")
    if not granted.retain_available:
        why = "clients that come later would not know how relay and its lines are"
        cure = "switch retained messages on (mosquitto: retain_available true)"
        yield wrong(_PART, "the broker keeps no retained messages", why, cure)
    if not granted.wildcard_subscription_available:
        why = "relay hears each client's commands through a wildcard"
        yield wrong(
            _PART, "the broker has no wildcards in subscriptions", why, "switch them on, or take another broker"
        )


def _sizes(granted: ConnAckPacket, settings: Settings) -> Iterator[Finding]:
    needed = settings.media.inline_max * 4 // 3 + _ENVELOPE
    largest = granted.max_packet_size or needed
    if largest < needed:
        what = f"the broker takes messages of up to {largest} bytes, and relay's may have {needed}"
        cure = f"raise it (mosquitto: max_packet_size {max(needed, 16 * 1024**2)}), or lower media.inline_max"
        yield wrong(_PART, what, "a larger event is never published", cure)
    window = granted.receive_max
    if window < _FEW:
        cure = "raise it (mosquitto: max_inflight_messages 20)"
        yield hint(_PART, f"the broker takes {window} messages at once", cure, "a burst of events takes longer")


def _keeps(granted: ConnAckPacket, session: int) -> Iterator[Finding]:
    kept = session if granted.session_expiry_interval is None else granted.session_expiry_interval
    if kept < session:
        what = f"the broker keeps commands for an absent relay for {kept} s, and was asked for {session}"
        cure = f"let the broker keep sessions for {session} s (EMQX: mqtt.session_expiry_interval)"
        why = "requests that are sent while relay is away for longer are lost, and nobody is told"
        yield hint(_PART, what, cure, why) if kept >= _DAY else wrong(_PART, what, why, cure)
