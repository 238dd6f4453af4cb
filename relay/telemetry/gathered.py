"""log lines -> stream: those of one turn of the event loop with one write at its end, and what is urgent at once."""

import asyncio
import sys
import threading
from types import TracebackType
from typing import TextIO


class Gathered:
    """The lines for a stream, in their order. Each write gives other threads their turn, which takes its time.

    Args:
        stream: where to.
        telling: says what could not be written at the end of a turn, when nobody waits for it.
    """

    def __init__(self, stream: TextIO, telling: "Telling") -> None:
        self.stream = stream
        self._telling = telling
        self._lines: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None  # at the end of whose turn they are written
        self._lock = threading.RLock()  # a line may come in the midst of another: what is collected as garbage logs

    def add(self, line: str, *, is_urgent: bool) -> None:
        """Write a line, now or at the end of the turn; at once where no event loop runs in this thread."""
        with self._lock:
            self._lines.append(line)
            if is_urgent or not self._is_due_later():
                self.write()

    def write(self) -> None:
        """Write now what is gathered. Raises what the stream does; what it did not take is not tried again."""
        with self._lock:
            lines, self._lines, self._loop = self._lines, [], None
            if lines:
                self.stream.write("".join(lines))
                self.stream.flush()

    def _is_due_later(self) -> bool:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        # Not merely whether there is one: a loop that ended before its turn did writes nothing any more.
        if self._loop is not loop:
            loop.call_soon(self._write_at_the_end)
            self._loop = loop
        return True

    def _write_at_the_end(self) -> None:
        with self._telling:
            self.write()


class Telling:
    """Says what could not be written, but for its content; no line that fails harms whoever wrote it.

    Args:
        stream: where it was to be written.
        whose: who wrote it.
    """

    __slots__ = ("_stream", "_whose")

    def __init__(self, stream: TextIO, whose: str) -> None:
        self._stream = stream
        self._whose = whose

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if kind is not None and sys.stderr and sys.stderr is not self._stream:
            sys.stderr.write(f"relay: a log line of {self._whose} could not be written: {kind.__name__}\n")
        return isinstance(error, Exception)
