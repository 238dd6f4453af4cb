"""Answers at clients' own topics: a client's wish holds up nothing, and breaks the connection twice at most."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial

import structlog

from relay.bus.confirmations import Forget, Settled
from relay.bus.errors import BusLost, PublishRefused
from relay.bus.payloads import Publication
from relay.domain.announcements import Announcement

log = structlog.get_logger()

_LOSSES = 2  # connections that may break at one reply: brokers close them over topics that others of them pass on


class Replies:
    """The replies that are owed, to events that the broker has confirmed on their own topics.

    Args:
        publish: publishes, and raises BusLost and PublishRefused.
        send: does so without waiting.
    """

    def __init__(
        self,
        publish: Callable[[Publication], Awaitable[None]],
        send: Callable[[Publication, Settled], Forget],
    ) -> None:
        self._publish = publish
        self._send = send
        self._losses: dict[str, int] = {}
        self._alone = asyncio.Lock()

    def owed(self, event_id: str) -> bool:
        """Whether nothing but the reply of this event is left to publish."""
        return event_id in self._losses

    async def publish(self, announcement: Announcement, reply: Publication) -> None:
        """Publish the reply to an event that was confirmed; one that does not pass is given up, and logged.

        Raises:
            BusLost: it is to be tried again.
        """
        losses = self._losses.setdefault(announcement.id, 0)
        try:
            # Those at which a connection has broken go one at a time, so that the harmless are not given up with one.
            async with self._alone if losses else nullcontext():
                await self._publish(reply)
        except (BusLost, PublishRefused) as error:
            if self._is_owed_still(announcement, error):
                raise
        del self._losses[announcement.id]

    def following(self, announcement: Announcement, reply: Publication, settled: Settled) -> "Following":
        """What is to be told when the event's own topic has it: the reply follows, for the first time."""
        return Following(self, announcement, reply, settled)

    def send(self, announcement: Announcement, reply: Publication, settled: Settled) -> Forget:
        """Publish the reply for the first time, without waiting; gives what has nobody told any more."""
        self._losses.setdefault(announcement.id, 0)
        heard = partial(self._heard, announcement, settled)
        try:
            return self._send(reply, heard)
        except (BusLost, PublishRefused) as error:
            heard(error)
            return _nothing

    def _heard(self, announcement: Announcement, settled: Settled, error: BusLost | PublishRefused | None) -> None:
        if error is not None and self._is_owed_still(announcement, error):
            settled(error)
            return
        del self._losses[announcement.id]
        settled(None)

    def _is_owed_still(self, announcement: Announcement, error: BusLost | PublishRefused) -> bool:
        """Whether the reply is to be tried again; where it is given up, that is logged."""
        detail = error.problem.detail
        if isinstance(error, BusLost):
            self._losses[announcement.id] += error.on_the_way
            if self._losses[announcement.id] < _LOSSES:
                return True
            detail = f"{_LOSSES} connections broke at it, the last one so: {detail}"
        log.warning("bus.reply_refused", line=announcement.line, detail=detail)
        return False


class Following:
    """Is told what becomes of an event on its own topic, and has its reply follow.

    Attributes:
        forget: has nobody told of what is under way now.
    """

    def __init__(self, replies: Replies, announcement: Announcement, reply: Publication, settled: Settled) -> None:
        self._replies = replies
        self._announcement = announcement
        self._reply = reply
        self._settled = settled
        self.forget: Forget = _nothing

    def stop(self) -> None:
        """Tell nobody any more."""
        self.forget()

    def __call__(self, error: BusLost | PublishRefused | None) -> None:
        """The broker's word on the event."""
        if error is not None:
            self._settled(error)
        else:
            self.forget = self._replies.send(self._announcement, self._reply, self._settled)


def _nothing() -> None:
    """There is nobody to be told."""
