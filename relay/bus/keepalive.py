"""silence -> a ping, and then the end: how a broker is noticed that is there no more."""

import asyncio
from collections.abc import Callable


class Keepalive:
    """Watches one connection.

    After so many seconds in which nothing was said, or nothing heard, the broker is asked for a word; it has as many
    again for that. Nothing but its answer counts: what it had sent before says nothing of what it has received.

    Args:
        ping: asks the broker.
        silent: called when it has not answered.

    Attributes:
        said: when something was sent last, in the loop's seconds.
        heard: when something has come last.
    """

    def __init__(self, ping: Callable[[], None], silent: Callable[[], None]) -> None:
        self.said = self.heard = 0.0
        self._ping = ping
        self._silent = silent
        self._loop = asyncio.get_running_loop()
        self._seconds = 0.0
        self._asked: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        """Watch from now on."""
        self._seconds = seconds
        self.said = self.heard = self._loop.time()
        self._timer = self._loop.call_later(seconds, self._look)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    def answered(self) -> None:
        """The broker has answered."""
        self._asked = None

    def _look(self) -> None:
        now = self._loop.time()
        if self._asked is not None and now >= self._asked + self._seconds:
            self._silent()
            return
        if self._asked is None and now >= min(self.said, self.heard) + self._seconds:
            self._asked = now
            self._ping()
        due = (min(self.said, self.heard) if self._asked is None else self._asked) + self._seconds
        self._timer = self._loop.call_at(due, self._look)
