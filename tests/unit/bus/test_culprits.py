"""The one event that a connection breaks over is found; the harmless that were on their way with it are not."""

import asyncio
from collections.abc import Callable

import pytest

from relay.bus.confirmations import Forget, Settled
from relay.bus.culprits import Culprits
from relay.bus.errors import BusLost, PublishRefused
from relay.bus.payloads import Publication


class Broker:
    """Closes the connection over some publications: what is on its way then is lost."""

    def __init__(self, over: Callable[[Publication], bool]) -> None:
        self.passed: list[str] = []
        self._over = over
        self._broken = False

    async def publish(self, what: Publication) -> None:
        """Confirm, or break."""
        if self._broken:
            raise BusLost("gone")
        self._broken = self._over(what)
        await asyncio.sleep(0)  # others are on their way at the same time
        if self._broken:
            raise BusLost("closed", on_the_way=True, closed=True)
        self.passed.append(what.payload.decode())

    def send(self, what: Publication, settled: Settled) -> Forget:
        """The same, without waiting."""
        piece = asyncio.ensure_future(self.publish(what))
        piece.add_done_callback(lambda done: settled(done.exception()))  # type: ignore[arg-type] # what it raises
        return lambda: None

    def connect(self) -> None:
        """A new connection."""
        self._broken = False


async def published(broker: Broker, culprits: Culprits, *events: str) -> dict[str, PublishRefused | None]:
    """Publish until each is confirmed or refused."""
    ends: dict[str, PublishRefused | None] = {}
    for _ in range(50):
        broker.connect()
        left = [event for event in events if event not in ends]
        what = [Publication("t", event.encode()) for event in left]
        found = await asyncio.gather(*map(culprits.publish, left, what), return_exceptions=True)
        ends |= {event: end for event, end in zip(left, found, strict=True) if not isinstance(end, BusLost)}  # type: ignore[misc] # a refusal or None
    return ends


def alone(_: float) -> bool:
    """Only this connection broke."""
    return True


async def test_the_culprit_alone_is_condemned() -> None:
    """All others pass, those before it and those behind it."""
    broker = Broker(lambda what: b"large" in what.payload)
    ends = await published(broker, Culprits(broker.publish, alone, broker.send), "a", "b", "large", "c", "d")
    assert {event: getattr(end, "poison", None) for event, end in ends.items()} == {
        **dict.fromkeys("abcd"),
        "large": True,
    }
    assert sorted(broker.passed)[:4] == ["a", "b", "c", "d"]


async def test_two_culprits_are_both_found() -> None:
    """One after the other."""
    broker = Broker(lambda what: b"large" in what.payload)
    ends = await published(broker, Culprits(broker.publish, alone, broker.send), "large-1", "a", "large-2")
    assert [bool(ends[event]) for event in ("large-1", "a", "large-2")] == [True, False, True]


async def test_where_nothing_passes_on_the_topic_no_event_is_to_blame() -> None:
    """It is refused for now, and not poison."""
    broker = Broker(lambda _: True)
    ends = await published(broker, Culprits(broker.publish, alone, broker.send), "a")
    assert isinstance(ends["a"], PublishRefused)
    assert not ends["a"].poison


async def test_a_broker_that_goes_condemns_nobody() -> None:
    """It takes the other connection too."""
    broker = Broker(lambda what: what.payload == b"a")
    assert await published(broker, Culprits(broker.publish, lambda _: False, broker.send), "a") == {}


async def test_what_relay_itself_gave_up_is_not_suspected() -> None:
    """A broker that keeps silent says nothing of the event."""

    async def silent(_: Publication) -> None:
        raise BusLost("the broker did not answer in time", on_the_way=True)

    culprits = Culprits(silent, alone, Broker(lambda _: False).send)
    for _ in range(5):
        with pytest.raises(BusLost):
            await culprits.publish("a", Publication("t", b"a"))
