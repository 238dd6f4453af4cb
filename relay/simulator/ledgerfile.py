"""ledger -> file: a thread appends the simulator's ledger to a file, as JSON lines, beside the event loop."""

import json
import os
import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class LedgerFile:
    """A file that lines are appended to within moments; opening and closing it block.

    Args:
        path: the file.
        sync: whether each line is also synced to the disk.

    Raises OSError where the file cannot be opened.
    """

    def __init__(self, path: Path, *, sync: bool = False) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._sync = sync
        self._lines: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="simulator ledger", daemon=True)
        self._thread.start()

    def append(self, line: Mapping[str, Any]) -> None:
        """Have a line written; returns at once."""
        self._lines.put(line)

    def _write(self) -> None:
        with self._file:
            while (line := self._lines.get()) is not None:
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()
                if self._sync:
                    os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._lines.put(None)
        self._thread.join()
