"""The guard that every test runs under (tests/conftest.py) sees relay's code block the event loop."""

import asyncio
from pathlib import Path

import pytest
from blockbuster import BlockingError

from tests.repo.sources import ROOT

_BLOCKING = {
    "a pause": "import time; time.sleep(0)",
    "SQL": "import sqlite3; sqlite3.connect(':memory:').execute('select 1')",
    "a file": "import pathlib; pathlib.Path(__file__).read_text()",
    "a lock that is held": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire(timeout=0.01)",
}


def _as_if_in_relay(code: str) -> None:
    place = ROOT / "relay" / "clock.py"  # the guard judges by the file that code comes from
    exec(compile(code, str(place), "exec"), {"__file__": str(place)})  # noqa: S102 - our own words, from above


@pytest.mark.parametrize("code", _BLOCKING.values(), ids=_BLOCKING.keys())
async def test_blocking_in_relay_is_seen(code: str) -> None:
    """Whatever waits for the machine has no place on the loop."""
    with pytest.raises(BlockingError):
        _as_if_in_relay(code)


@pytest.mark.parametrize("code", _BLOCKING.values(), ids=_BLOCKING.keys())
async def test_a_thread_may_block(code: str) -> None:
    """The journal's writer has a thread of its own for exactly this."""
    await asyncio.to_thread(_as_if_in_relay, code)


async def test_a_test_may_block(tmp_path: Path) -> None:
    """Only relay is judged: a test reads its files as it likes."""
    (tmp_path / "note").write_text("read")
    assert (tmp_path / "note").read_text() == "read"
