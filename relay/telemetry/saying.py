"""A sentence -> systemd's STATUS: whenever it is another; at once, and no more than one in so many seconds."""

import asyncio
from collections.abc import Callable

EVERY = 2.0  # real seconds between two at least
SHOWN = 10.0  # real seconds that another's word stays


class Saying:
    """Tells one sentence.

    Args:
        tell: is given it.
        every: real seconds between two at least; what comes between is told in the end.
    """

    def __init__(self, tell: Callable[[str], None], every: float = EVERY) -> None:
        self._tell = tell
        self._every = every
        self._sentence: str | None = None
        self._told: str | None = None
        self._rest: asyncio.TimerHandle | None = None

    def say(self, sentence: str, *, now: bool = False) -> None:
        """The sentence is this from now on; `now`: there may be no later. Needs the running loop."""
        self._sentence = sentence
        if now and self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._rest is None:
            self._go_on()

    def again(self, after: float = SHOWN) -> None:
        """Somebody else has told something: it stays for so long, then the sentence is told again."""
        if self._rest is not None:
            self._rest.cancel()
        self._told = None
        self._rest = asyncio.get_running_loop().call_later(after, self._go_on)

    def _go_on(self) -> None:
        self._rest = None
        if self._sentence is not None and self._sentence != self._told:
            self._told = self._sentence
            self._tell(self._sentence)
            self._rest = asyncio.get_running_loop().call_later(self._every, self._go_on)
