"""Answers at clients' own topics: a client's wish holds up nothing, and breaks the connection twice at most."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

import structlog

from relay.bus.errors import BusLost, PublishRefused
from relay.bus.payloads import Publication
from relay.domain.announcements import Announcement

log = structlog.get_logger()

_LOSSES = 2  # connections that may break at one reply: brokers close them over topics that others of them pass on


class Replies:
    """The replies that are owed, to events that the broker has confirmed on their own topics.

    Args:
        publish: publishes, and raises BusLost and PublishRefused.
    """

    def __init__(self, publish: Callable[[Publication], Awaitable[None]]) -> None:
        self._publish = publish
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
        except BusLost as error:
            self._losses[announcement.id] += error.on_the_way
            if self._losses[announcement.id] < _LOSSES:
                raise
            detail = f"{_LOSSES} connections broke at it, the last one so: {error.problem.detail}"
            log.warning("bus.reply_refused", line=announcement.line, detail=detail)
        except PublishRefused as error:
            log.warning("bus.reply_refused", line=announcement.line, detail=error.problem.detail)
        del self._losses[announcement.id]
