"""What the tests of the spool share: hooks to keep, and a look into its file from outside."""

import itertools
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from relay.domain.messages import RawAnswer
from relay.journal import HookDelivery

MUCH = 256 * 1024**2
AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
_NUMBERS = itertools.count()


def hook(body: bytes = b"{}", line: str = "office", event: str = "receive", **more: Any) -> HookDelivery:
    """A hook that comes after all others."""
    number = next(_NUMBERS)
    at = AT + timedelta(seconds=number)
    return HookDelivery(f"{number:08}", line, event, RawAnswer(body, "application/json"), at, **more)


def look(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What is in its file."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def harm(path: Path, statement: str) -> None:
    """Change its file, as a flipped bit does, which no checksum of SQLite's own would show."""
    look(path, statement)
