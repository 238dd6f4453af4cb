"""The simulator's memory for tests: what was accepted and handed out, and what AT&T's documents forbid."""

import json
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from relay.clock import Clock

Line = dict[str, Any]


class Overrun(LookupError):
    """Lines were asked for that are no longer kept."""


class Ledger:
    """What happened, in order: one line an event, numbered from 1, never changed.

    It holds numbers and texts, so that a test can compare it with what relay published. It is no log.

    Args:
        clock: gives each line its `at`.
        path: a file that every line is appended to as JSON; None for none.
        sync: whether each line is also synced to the disk.
        keep: how many lines stay in memory; None for all.
    """

    def __init__(self, clock: Clock, path: Path | None = None, *, sync: bool = False, keep: int | None = None) -> None:
        self._clock = clock
        self._lines: deque[Line] = deque(maxlen=keep)
        self._count = 0
        self._sync = sync
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None

    def record(self, what: str, facts: Mapping[str, Any]) -> None:
        """Write a line down."""
        self._count += 1
        at = self._clock.now().isoformat(timespec="milliseconds")
        line = {"n": self._count, "at": at, "what": what, **facts}
        self._lines.append(line)
        if self._file:
            self._write(self._file, line)

    def _write(self, file: TextIO, line: Line) -> None:
        file.write(json.dumps(line) + "\n")
        file.flush()
        if self._sync:
            os.fsync(file.fileno())

    def lines(self, since: int = 0) -> list[Line]:
        """Every line whose number is above `since`; raises Overrun where the first of them are no longer kept."""
        wanted = self._count - since
        if wanted > len(self._lines):
            raise Overrun(f"only the last {len(self._lines)} of {self._count} lines are kept")
        return [line for line in self._lines if line["n"] > since]

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None


class Violations:
    """Requests that the provider's documents forbid: recorded, not refused unless the provider would.

    Args:
        clock: gives each line its `at`.
        keep: how many of the latest are kept.
    """

    def __init__(self, clock: Clock, keep: int = 10_000) -> None:
        self._clock = clock
        self._lines: deque[Line] = deque(maxlen=keep)
        self._count = 0

    def record(self, service: str, operation: str, what: str) -> None:
        """Write one down; `what` says what was wrong, and what would be right."""
        self._count += 1
        at = self._clock.now().isoformat(timespec="milliseconds")
        self._lines.append({"n": self._count, "at": at, "service": service, "operation": operation, "what": what})

    def lines(self) -> list[Line]:
        """All that are kept, oldest first."""
        return list(self._lines)

    def clear(self) -> None:
        """Forget them."""
        self._lines.clear()
