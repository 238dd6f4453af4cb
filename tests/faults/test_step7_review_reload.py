"""What a hostile reading of reloads that end badly found: each fact failed once."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from relay.journal import Bell
from relay.settings import Settings
from relay.telemetry.notify import Notifier
from relay.wiring.exchange import Exchange
from relay.wiring.reloading import Again, Reloader

WITHIN = 5.0


class Reading:
    """Settings that are being read for as long as a test likes; then nobody can read them."""

    def __init__(self) -> None:
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def __call__(self) -> Settings:
        """Read them."""
        self.begun.set()
        self.goes_on.wait(WITHIN)
        raise KeyError


@pytest.fixture
def reading() -> Iterator[Reading]:
    """It goes on when the test has ended."""
    with capture_logs():
        found = Reading()
        yield found
        found.goes_on.set()


@asynccontextmanager
async def reloading(reading: Reading, asked: Bell, address: str | None = None) -> AsyncIterator[None]:
    """A life in which the settings are just being read again."""
    nothing_yet: Any = None
    reloader = Reloader(Again(reading, asked), cast("Exchange", nothing_yet), Notifier(address))
    async with reloader.running():
        asked.ring()
        await asyncio.to_thread(reading.begun.wait, WITHIN)
        yield


async def test_a_reload_that_the_end_of_a_life_cuts_is_begun_anew_in_the_next(reading: Reading) -> None:
    """A node that others gave up for dead begins anew by itself: whoever asked for the reload would never know."""
    asked = Bell()
    async with reloading(reading, asked):
        pass
    async with asyncio.timeout(WITHIN):
        await asked.wait()
    reading.goes_on.set()


async def test_systemd_hears_of_the_end_of_a_reload_that_relay_itself_fails_at(
    reading: Reading, tmp_path: Path
) -> None:
    """Else `systemctl reload` waits until its time is over."""
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)  # noqa: FBT003 - the standard library's word
        async with asyncio.timeout(WITHIN), reloading(reading, Bell(), str(tmp_path / "notify")):
            reading.goes_on.set()
            while "READY=1" not in heard:
                heard.append((await asyncio.get_running_loop().sock_recv(systemd, 4096)).decode())
    assert heard[0].startswith("RELOADING=1")
