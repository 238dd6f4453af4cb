"""The bus as the stages use it: commands come out of it, announcements and states go into it.

Two connections to the broker: one hears commands under a client id that all nodes share, so that the broker's session
moves with the work; the other is this node's own, for its will and for everything that it says.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

from relay.bus.config import BusSettings
from relay.bus.confirmations import Forget, Settled
from relay.bus.connection import Connection, Purpose
from relay.bus.culprits import Culprits
from relay.bus.delivery import Delivery
from relay.bus.dial import Dial
from relay.bus.errors import BusLost
from relay.bus.intake import NAME as HEARING
from relay.bus.intake import Intake, Turn
from relay.bus.outlet import NAME as SAYING
from relay.bus.outlet import Outlet
from relay.bus.payloads import Publication, cleared, envelope, own_topic
from relay.bus.replies import Replies
from relay.bus.rights import Rights
from relay.bus.topics import Topics
from relay.bus.trouble import Trouble
from relay.clock import Clock
from relay.domain.announcements import Announcement
from relay.ids import Ids

RetainedKind = Literal["node_status", "node_info", "line_status"]


class Bus:
    """A node's connection to the bus, for as long as it is entered.

    Entering does not wait for the broker: relay runs, and keeps what it has to say, while there is none.

    Args:
        settings: how to reach the broker.
        lines: the lines whose commands are heard.
        clock: gives the times of states, and the waits between attempts.
        ids: gives the spread of these waits.
        may_hear: whether it is for this node to hear commands now, and which of its turns it is where it has more than
            one after the other; asked before each attempt to, and for each command.

    Raises:
        ValueError: the settings name no broker, or the base, the node or a line cannot stand in a topic.
    """

    def __init__(
        self,
        settings: BusSettings,
        lines: Sequence[str],
        clock: Clock,
        ids: Ids,
        *,
        may_hear: Callable[[], Turn] = lambda: True,
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings.base)
        self._rights, trouble = Rights(), Trouble(clock)
        self._intake = intake = Intake(settings, self._topics, lines, self._rights, trouble, clock, may=may_hear)
        self._outlet = outlet = Outlet(settings, self._topics, lines, self._rights, trouble, clock)
        outlet.hear_commands = intake.confirm
        self._replies = Replies(outlet.publish, outlet.send)
        self._culprits = Culprits(outlet.publish, partial(trouble.alone, SAYING), outlet.send)
        hearing = Purpose(
            name=HEARING,
            dial=self._dial_commands,
            serve=intake.serve,
            receive=intake.receive,
            wanted=intake.wanted,
        )
        saying = Purpose(name=SAYING, dial=self._dial_node, serve=outlet.serve, receive=outlet.receive)
        self._connections = [Connection(settings, each, trouble, clock, ids) for each in (hearing, saying)]
        self._tasks = asyncio.TaskGroup()
        self._running: list[asyncio.Task[None]] = []
        _ = settings.broker  # a malformed address is to be known now, not at the first attempt

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._running = [self._tasks.create_task(each.run()) for each in self._connections]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._outlet.farewell()
            self._intake.leave()
        finally:
            for task in self._running:
                task.cancel()
            # Only its own cancellation concerns the group; it would wrap any other error of the body in a group's.
            own = isinstance(error, asyncio.CancelledError)
            await self._tasks.__aexit__(*((kind, error, trace) if own else (None, None, None)))

    @property
    def connected(self) -> bool:
        """Whether announcements can be published."""
        return self._outlet.link is not None

    @property
    def listening(self) -> bool:
        """Whether the broker has confirmed that commands are heard."""
        return self._intake.listening

    def on_listening(self, listener: Callable[[], None]) -> None:
        """Call `listener()` whenever `listening` has changed."""
        self._intake.on_change(listener)

    def on_connected(self, listener: Callable[[], None]) -> None:
        """Call `listener()` whenever `connected` has changed."""
        self._outlet.on_change(listener)

    def hear_commands(self, *, wanted: bool) -> None:
        """Leave the commands with the broker from now on, or hear them again.

        Leaving ends their connection with reason 0x97, quota exceeded (nothing to say on MQTT 3.1.1), or as usual
        where they are another node's to hear: the broker's session keeps the commands until they are heard again.
        """
        self._intake.want(wanted=wanted)

    @property
    def denied(self) -> Mapping[str, str | None]:
        """The topics that the broker denies relay, as far as is known, each with its line."""
        return {topic: self._topics.line_of(topic) for topic in self._rights.denied}

    def on_denied(self, listener: Callable[[], None]) -> None:
        """Call `listener()` whenever `denied` has changed."""
        self._rights.on_change(listener)

    @property
    def protocol(self) -> str | None:
        """`5` or `3.1.1`; None while not connected."""
        link = self._outlet.link
        return link.dial.protocol if link else None

    async def wait_connected(self) -> None:
        """Wait until announcements can be published."""
        await self._outlet.wait_connected()

    async def publish(self, announcement: Announcement) -> None:
        """Publish an announcement; returns when the broker has confirmed it on every topic it goes to.

        A client's own response topic that the broker refuses, or closes the connection over, does not hold up the
        announcement: it was published on its own topic before, and is not published there again.

        Raises:
            BusLost: not connected, or no longer; publish it again later.
            PublishRefused: the broker refused it; where `poison` is set it always will.
        """
        own, *replies = self._envelope(announcement)
        if not self._replies.owed(announcement.id):
            await self._culprits.publish(announcement.id, own)
        for reply in replies:
            await self._replies.publish(announcement, reply)

    def send(self, announcement: Announcement, settled: Settled) -> Forget | None:
        """Publish an announcement without waiting, as `publish` does.

        Args:
            announcement: what to publish.
            settled: called once, and not before `send` has returned, with the error that `publish` would raise, or
                with None when the broker has confirmed. It must not raise.

        Returns:
            what has nobody told any more; where it was not sent yet, it is not. None where it may have to wait for
            others, because one of them may be what breaks the connection: then it is for `publish`.

        Raises:
            BusLost: not connected; `settled` is not called.
            PublishRefused: it can never be published; likewise.
        """
        own, *replies = self._envelope(announcement)
        if self._culprits.any or self._replies.owed(announcement.id):
            return None
        if not replies:
            return self._culprits.send(announcement.id, own, settled)
        follows = self._replies.following(announcement, replies[0], settled)
        follows.forget = self._culprits.send(announcement.id, own, follows)
        return follows.stop

    def topic_of(self, announcement: Announcement) -> str:
        """The topic of its own that an announcement is published on."""
        return own_topic(announcement, self._topics)

    def set_retained(self, kind: RetainedKind, name: str, body: Mapping[str, Any]) -> None:
        """Publish a state, now and again on every connection; the same state again changes nothing.

        Args:
            kind: whose state. Until `node_status` is set, the bus itself says `online`.
            name: the node or the line.
            body: the state, as the contract has it.
        """
        self._outlet.keep(self._retained(kind, name), body)

    def forget_retained(self, kind: RetainedKind, name: str) -> None:
        """Publish a state no more: it is another node's to tell. What was said of it last stays as it is."""
        self._outlet.forget(self._retained(kind, name))

    def announce(self, topic: str, body: Mapping[str, Any]) -> None:
        """Keep a retained message on a topic that is not relay's own, now and on every connection."""
        self._outlet.keep(topic, body)

    def leave(self, topic: str) -> None:
        """Publish what was announced there no more: it is another node's to say, and stays as it is."""
        self._outlet.forget(topic)

    async def withdraw(self, topic: str) -> None:
        """Take away what was announced there; returns when the broker has confirmed that nothing is retained.

        Raises:
            BusLost: not connected, or no longer.
            PublishRefused: the broker refused it.
        """
        self._outlet.forget(topic)
        await self._outlet.publish(cleared(topic))

    def clear_retained(self, kind: RetainedKind, name: str) -> None:
        """Have the broker keep a state no more: whose it was is gone."""
        self._outlet.clear(self._retained(kind, name))

    async def follow(self, lines: Sequence[str]) -> None:
        """Hear and speak for these lines from now on, on the connections that there are.

        On return the broker has said that those that are new are heard, where it is connected.
        """
        own = set(lines)
        self._rights.forget([topic for topic, line in self.denied.items() if line is not None and line not in own])
        self._outlet.follow(lines)
        await self._intake.follow(lines)

    async def next_command(self) -> Delivery:
        """The next command, oldest first. It stays with the broker until `ack()`."""
        return await self._intake.next()

    def _envelope(self, announcement: Announcement) -> list[Publication]:
        link = self._outlet.link
        if link is None:  # which protocol is spoken, and so what there is to publish, is not known
            raise BusLost("there is no connection to the broker")
        response_topics = self._settings.response_topics if link.dial.protocol == "5" else ()
        return envelope(announcement, self._topics, response_topics)

    def command_here(self) -> Delivery | None:
        """The next command, if it has come already: whoever takes many of them waits for none that need not be."""
        return self._intake.here()

    def _retained(self, kind: RetainedKind, name: str) -> str:
        owner, _, what = kind.partition("_")
        return self._topics.node(name, what) if owner == "node" else self._topics.line(name, what)

    def _dial_commands(self, protocol: str, tls: ssl.SSLContext | None) -> Dial:
        settings = self._settings
        return Dial(
            settings=settings, client_id=settings.commands_client_id, protocol=protocol, persistent=True, tls=tls
        )

    def _dial_node(self, protocol: str, tls: ssl.SSLContext | None) -> Dial:
        settings = self._settings
        return Dial(
            settings=settings, client_id=settings.node_client_id, protocol=protocol, will=self._outlet.will, tls=tls
        )
