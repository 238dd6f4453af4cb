"""An empty journal, laid where a test wants one: making its tables would take longer than most tests."""

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import make_url

from relay.journal.sqlite import SqliteStore


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "relay.db"
        SqliteStore(make_url(f"sqlite:///{path}")).close()
        return path.read_bytes()


def lay(path: Path) -> None:
    """Lay an empty journal at `path`, as relay makes it, unless there is something. It blocks."""
    if not path.exists():
        path.write_bytes(_empty())
