"""What relay does with a message, told as it happens: a span for each piece of work. Who hears it is handed in.

A span's parent is given, never guessed: a message waits for days, and in other processes. What a span is told is a
line, an id of relay's own, a count or a code; never a text, a number or a secret.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol, Self

Fact = str | int | None
Watch = Callable[[str, str, str, float], None]  # is told each request's method, path, code and seconds


class Operation(StrEnum):
    """What is done, in the words of OpenTelemetry's conventions for messaging."""

    RECEIVE = "receive"  # a command was taken, and written down with its answer
    SEND = "send"  # a call to the provider
    PUBLISH = "publish"  # an event went to the bus
    PROCESS = "process"  # a page of an inbox, or a web hook, was understood


class Span(Protocol):
    """One piece of work. What is raised inside its block ends it, and is its error."""

    @property
    def traceparent(self) -> str | None:
        """The W3C trace parent for what follows from this work; None: there is none."""

    def tell(self, **facts: Fact) -> None:
        """Add what has become known; `code` is that of an error. None is nothing known."""


class Traces(Protocol):
    """Whoever hears of spans. `heard`: somebody does; where not, work need not be arranged for them."""

    heard: bool

    def span(
        self, operation: Operation, line: str | None, parent: str | None = None, **facts: Fact
    ) -> AbstractContextManager[Span]:
        """A piece of work, from now to the end of the block.

        Args:
            operation: what is done.
            line: for which line.
            parent: the W3C trace parent of what it follows from; None, or one that is none: a trace begins here.
            facts: what is known of it, as for `Span.tell`.
        """

    def watched(self, watch: Watch) -> Watch:
        """What is told of each request to a provider: `watch`, and the call to send that the request is made for."""


class _Nothing:
    """A span that nobody hears of."""

    traceparent = None

    def tell(self, **facts: Fact) -> None:
        """Nobody wants to know."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


_NOTHING = _Nothing()


class NoTraces:
    """Nobody hears of spans."""

    heard = False

    def span(
        self,
        operation: Operation,  # noqa: ARG002 - as whoever hears of it needs it
        line: str | None,  # noqa: ARG002 - as above
        parent: str | None = None,  # noqa: ARG002 - as above
        **facts: Fact,  # noqa: ARG002 - as above
    ) -> AbstractContextManager[Span]:
        """The same for all: nothing is made."""
        return _NOTHING

    def watched(self, watch: Watch) -> Watch:
        """`watch` itself."""
        return watch
