"""publications -> the broker's word: no more on the way than it takes, and none that is not told what became of it."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from relay.bus.channel import FIRST_FAILURE, Channel
from relay.bus.errors import PACKET_TOO_LARGE, BusLost, PublishRefused
from relay.bus.payloads import Publication

Settled = Callable[[BusLost | PublishRefused | None], None]
Forget = Callable[[], None]  # has nobody told any more


class Sending:
    """One publication that was given to a link."""

    __slots__ = ("settled", "since", "what")

    def __init__(self, what: Publication, settled: Settled) -> None:
        self.what: Final = what
        self.settled = settled
        self.since = 0.0


class Confirmations:
    """What waits for its turn, and what waits for the broker's word, on one channel.

    Args:
        channel: where to.
        timeout: seconds that the broker has for its word.
        gone: why a publication fails where the channel is gone.
        silent: called when the broker has taken longer.

    Attributes:
        window: how many may wait for the broker's word at once.
    """

    def __init__(
        self, channel: Channel, timeout: float, gone: Callable[[], BusLost], silent: Callable[[], None]
    ) -> None:
        self.window = 1
        self._channel = channel
        self._timeout = timeout
        self._gone = gone
        self._silent = silent
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Sending] = deque()
        self._under_way: dict[int, Sending] = {}  # the oldest first
        self._watch: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing waits for the broker's word."""
        return not self._under_way

    def add(self, what: Publication, settled: Settled) -> Sending:
        """Publish, now or in its turn.

        Raises:
            BusLost: the channel is gone; `settled` is not called.
            PublishRefused: it cannot be published; likewise.
        """
        if not self._channel.up:
            raise self._gone()
        sending = Sending(what, settled)
        if self._waiting or not self._has_room():
            self._waiting.append(sending)
        else:
            self._send(sending)
        return sending

    def forget(self, sending: Sending) -> None:
        """Nobody waits for it any more; where it is on its way, its place is taken until the broker has answered."""
        sending.settled = _nobody
        with suppress(ValueError):
            self._waiting.remove(sending)

    def confirmed(self, mid: int, code: int) -> None:
        """The broker's word on one."""
        sending = self._under_way.pop(mid, None)
        if sending is not None:
            sending.settled(None if code < FIRST_FAILURE else PublishRefused(code))
            self.fill()

    def fill(self) -> None:
        """Send those whose turn it is."""
        while self._waiting and self._has_room():
            sending = self._waiting.popleft()
            try:
                self._send(sending)
            except (BusLost, PublishRefused) as error:
                sending.settled(error)

    def end(self, code: int | None, lost: Callable[[], BusLost]) -> None:
        """The channel has ended, for this reason of the broker's: everything fails; `lost`: what was on its way."""
        if self._watch is not None:
            self._watch.cancel()
        under_way, waiting = list(self._under_way.values()), list(self._waiting)
        self._under_way.clear()
        self._waiting.clear()
        # The broker closed the link over one packet: the largest. It would do so again.
        largest = max(under_way, key=_size) if code == PACKET_TOO_LARGE and under_way else None
        for sending in under_way:
            sending.settled(PublishRefused(PACKET_TOO_LARGE) if sending is largest else lost())
        for sending in waiting:
            sending.settled(self._gone())

    def _has_room(self) -> bool:
        return len(self._under_way) < self.window and self._channel.writable

    def _send(self, sending: Sending) -> None:
        mid = self._channel.publish(sending.what)
        if mid is None:
            raise self._gone()
        sending.since = self._loop.time()
        self._under_way[mid] = sending
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout, self._look)

    def _look(self) -> None:
        """One timer for all: it looks at the oldest."""
        self._watch = None
        oldest = next(iter(self._under_way.values()), None)
        if oldest is None:
            return
        due = oldest.since + self._timeout
        if due <= self._loop.time():
            self._silent()
        else:
            self._watch = self._loop.call_at(due, self._look)


def _size(sending: Sending) -> int:
    what = sending.what
    return len(what.payload) + len(what.topic) + len(what.correlation or b"")


def _nobody(_: BusLost | PublishRefused | None) -> None:
    """Who waited for it has gone."""
