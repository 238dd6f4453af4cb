"""What the broker does not let relay do, as far as relay has found out: told once as it begins, and as it ends."""

from collections.abc import Callable, Iterable
from typing import Literal

import structlog

log = structlog.get_logger()

Doing = Literal["publish", "subscribe"]

AGAIN = 600.0  # seconds until what is denied is tried again, besides at every connection
_SHOWN = 5  # topics that a line names


class Rights:
    """The topics that are denied now."""

    def __init__(self) -> None:
        self._denied: dict[str, Doing] = {}
        self._listeners: list[Callable[[], None]] = []

    @property
    def denied(self) -> tuple[str, ...]:
        """The denied topics and filters, in order."""
        return tuple(sorted(self._denied))

    def denied_to(self, doing: Doing) -> list[str]:
        """The topics that relay may not publish on, or not hear."""
        return sorted(topic for topic, what in self._denied.items() if what == doing)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` whenever `denied` has changed."""
        self._listeners.append(listener)

    def forget(self, topics: Iterable[str]) -> None:
        """These do not matter any more."""
        gone = [topic for topic in topics if self._denied.pop(topic, None)]
        if gone:
            self._tell()

    def judged(self, doing: Doing, tried: Iterable[str], denied: Iterable[str], detail: str) -> None:
        """What has come of it: what is denied for the first time is told, and what is denied no longer.

        Args:
            doing: what was tried.
            tried: on which topics.
            denied: those of them where it did not pass.
            detail: what is wrong there, and the cure.
        """
        fails = set(denied)
        news = sorted(fails - self._denied.keys())
        passed = sorted((set(tried) - fails) & self._denied.keys())
        self._denied.update(dict.fromkeys(news, doing))
        for topic in passed:
            del self._denied[topic]
        if news:
            log.error("bus.topic_denied", doing=doing, topics=_named(news), detail=detail)
        if passed:
            log.info("bus.topic_allowed", doing=doing, topics=_named(passed))
        if news or passed:
            self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def _named(topics: list[str]) -> str:
    more = len(topics) - _SHOWN
    return ", ".join(topics[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
