"""A broker in memory, behind relay's real bus: sessions, acknowledgements, a will, and what may go wrong with each."""

import asyncio
import contextvars
import itertools
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from mqtt5 import ConnAckPacket

from relay.bus.channel import Listener, Loss, Received
from relay.bus.dial import Dial
from relay.bus.errors import NoConnection
from relay.bus.link import Link, Receive
from relay.bus.mqtt import Bus
from relay.bus.payloads import Publication
from tests.simulation.passing import passes
from tests.spoken import misfits

Fate = Literal["taken", "refused", "unconfirmed", "unheard", "mute"]
_LATENCY = 0.002
_NOT_AUTHORIZED = 0x87
_CODE = {"taken": 0, "refused": _NOT_AUTHORIZED}


@dataclass
class Command:
    """A command on its way to relay: it stays with the broker until it is acknowledged."""

    mid: int
    topic: str
    payload: bytes
    delivered: bool = False
    forgotten: bool = False
    acknowledged: bool = False


@dataclass
class _Session:
    """What the broker keeps for a client id. `listening`: it has subscribed."""

    commands: dict[int, Command] = field(default_factory=dict)
    listening: bool = False
    channel: "MemoryChannel | None" = None


class MemoryBroker:
    """Outlives relay.

    Attributes:
        heard: what a subscriber to everything has heard, with the loop's seconds: it never loses anything.
        retained: by topic.
        said: every retained state that was published, in order.
        up: whether it takes connections.
        fate: says what becomes of a publication on a topic.
        most_waiting: how many publications waited for their confirmation at once.
    """

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.misfits: list[str] = []
        self.retained: dict[str, Any] = {}
        self.said: list[tuple[float, str, Any]] = []
        self.up = True
        self.fate: Callable[[str], Fate] = lambda _: "taken"
        self.commands: list[Command] = []
        self._sessions: dict[str, _Session] = {}
        self._mids = itertools.count(1)

    def publish(self, topic: str, payload: Mapping[str, Any]) -> Command | None:
        """A client's command; None where the broker does not take it, or nobody has subscribed."""
        session = next((one for name, one in self._sessions.items() if "commands" in name and one.listening), None)
        if not self.up or session is None:
            return None
        command = Command(next(self._mids), topic, json.dumps(payload).encode())
        self.commands.append(command)
        session.commands[command.mid] = command
        if session.channel is not None:
            session.channel.deliver(command)
        return command

    def attach(self, channel: "MemoryChannel", *, persistent: bool) -> bool:
        """Take a connection; whether there was a session."""
        name = channel.dial.client_id
        old = self._sessions.get(name)
        if old is not None and old.channel is not None:
            old.channel.abort(Loss("taken over", 0x8E))
        if old is None or not persistent:
            self._sessions[name] = _Session()
        self._sessions[name].channel = channel
        return old is not None and persistent

    def detach(self, channel: "MemoryChannel", *, is_persistent: bool) -> None:
        """A connection has ended: what its session may keep stays."""
        session = self._sessions.get(channel.dial.client_id)
        if session is not None and session.channel is channel:
            session.channel = None
            if not is_persistent:
                del self._sessions[channel.dial.client_id]

    def subscribed(self, channel: "MemoryChannel") -> None:
        """Commands are heard from now on, those that waited first."""
        session = self._sessions[channel.dial.client_id]
        session.listening = True
        for command in list(session.commands.values()):
            channel.deliver(command)

    def acknowledged(self, channel: "MemoryChannel", mid: int) -> None:
        """It may be forgotten."""
        session = self._sessions.get(channel.dial.client_id)
        if session is not None and session.channel is channel and (command := session.commands.pop(mid, None)):
            command.acknowledged = True

    def take(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """A publication."""
        now = asyncio.get_running_loop().time()
        body = json.loads(payload) if payload else None
        if body is not None:
            self.misfits += misfits(topic, body)
        if retain:
            self.retained[topic] = body
            self.said.append((now, topic, body))
        elif body is not None:
            self.heard.append({"at": now, "topic": topic, "event": body})

    def cut(self, holds: Callable[[contextvars.Context], bool] = lambda _: True) -> None:
        """Every connection breaks, or those of one life of relay's."""
        for session in list(self._sessions.values()):
            if session.channel is not None and holds(session.channel.context):
                session.channel.abort(Loss("the connection broke"))

    def forget(self) -> None:
        """It loses everything that it kept for others."""
        for session in self._sessions.values():
            for command in session.commands.values():
                command.forgotten = True
        self.cut()
        self._sessions.clear()


class MemoryChannel:
    """One connection, as `relay.bus.channel.Channel` is."""

    def __init__(self, broker: MemoryBroker, dial: Dial, listener: Listener) -> None:
        self.session_present = False
        self.granted: ConnAckPacket | None = None
        self.writable = True
        self.dial = dial
        self.context = contextvars.copy_context()
        self._broker = broker
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Loss] = self._loop.create_future()
        self._mids = itertools.count(1)
        self._is_paused = False
        self._held: list[Command] = []
        self._under_way: deque[Callable[[], object]] = deque()
        self._is_open = False
        self._says_will = True

    @property
    def up(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.done()

    async def ended(self) -> Loss:
        """Wait for the end."""
        return await asyncio.shield(self._ended)

    async def open(self) -> None:
        """Connect."""
        await passes(_LATENCY)
        if not self._broker.up:
            raise NoConnection("unreachable", "the broker cannot be reached")
        self.session_present = self._broker.attach(self, persistent=self.dial.persistent)
        self._is_open = True

    async def close(self, *, goodbye: bool) -> None:
        """End it."""
        if goodbye and self.up:
            await passes(_LATENCY)
            self._says_will = False
        self.abort(Loss("closed by relay", ours=True))

    def abort(self, loss: Loss) -> None:
        """End it at once; the broker says the will."""
        if self._ended.done():
            return
        self._ended.set_result(loss)
        if self._is_open:
            self._broker.detach(self, is_persistent=self.dial.persistent)
            if (will := self.dial.will) is not None and self._says_will and self._broker.up:
                self._broker.take(will.topic, will.payload, retain=will.retain)
        self._listener.on_end(loss)

    def leave(self, reason: int) -> None:
        """End it with a goodbye: what was not acknowledged stays with the broker, and the will is not said."""
        del reason
        self._says_will = False
        self._later(lambda: self.abort(Loss("closed by relay", ours=True)))

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Nothing is unsubscribed from here but what nobody publishes."""

    def pause(self) -> None:
        """Hear nothing more."""
        self._is_paused = True

    def resume(self) -> None:
        """Hear again."""
        self._is_paused = False
        held, self._held = self._held, []
        for command in held:
            self.deliver(command)

    def deliver(self, command: Command) -> None:
        """Bring a command."""
        self._later(lambda: self._bring(command))

    def publish(self, what: Publication) -> int:
        """Send a publication; the confirmation comes, or does not, as the broker's fate has it."""
        mid = next(self._mids)
        self._later(lambda: self._arrives(mid, what.topic, what.payload, retain=what.retain))
        return mid

    def subscribe(self, filters: Sequence[str], *, retained: bool) -> int:
        """Ask for commands; nothing is retained here."""
        del retained
        mid = next(self._mids)
        self._later(lambda: self._granted(mid, [1] * len(filters)))
        return mid

    def ack(self, mid: int, qos: int) -> None:
        """Acknowledge a command."""
        del qos
        self._later(lambda: self._broker.acknowledged(self, mid))

    def _later(self, what: Callable[[], object]) -> None:
        # One after the other, as on a wire: timers of one moment come in no order.
        self._under_way.append(what)
        self._loop.call_later(_LATENCY, self._next, context=self.context)

    def _next(self) -> None:
        what = self._under_way.popleft()
        if self.up:
            what()

    def _granted(self, mid: int, granted: list[int]) -> None:
        self._listener.on_subscribed(mid, granted)
        self._broker.subscribed(self)

    def _bring(self, command: Command) -> None:
        if command.acknowledged or command.forgotten:
            return
        if self._is_paused:
            self._held.append(command)
            return
        received = Received(command.mid, 1, command.topic, command.payload, retain=False, dup=command.delivered)
        command.delivered = True
        self._listener.on_message(received)

    def _arrives(self, mid: int, topic: str, payload: bytes, *, retain: bool) -> None:
        fate = self._broker.fate(topic)
        if fate == "unheard":
            self.abort(Loss("the connection broke"))
            return
        if fate in {"taken", "unconfirmed"}:
            self._broker.take(topic, payload, retain=retain)
        if fate == "unconfirmed":
            self.abort(Loss("the connection broke"))
        elif fate != "mute":
            self._later(lambda: self._listener.on_published(mid, _CODE[fate]))


def plug(bus: Bus, broker: MemoryBroker) -> None:
    """Have a bus connect to this broker."""

    def link(dial: Dial, receive: Receive) -> Link:
        return Link(dial, receive, partial(MemoryChannel, broker))

    for connection in bus._connections:
        connection.link = link
