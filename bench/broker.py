"""A real mosquitto, nearly as `config/mosquitto.conf` has it: nobody is asked for a name, and nothing is logged.

It writes its state down every minute, and not at each change: that costs it a millisecond a message, and it, not what
is measured, would hold up. What relay does is the same.
"""

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from tests import brokers

_WITHIN = 10.0  # seconds until it listens
_CONFIG = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 60
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 1000
max_packet_size 17825792
set_tcp_nodelay true
log_type none
{user}
"""


class Broker:
    """One broker on this machine; `async with` starts and ends it.

    Args:
        folder: an empty one of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.port = brokers.free_port()
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._folder.mkdir()
        # As root it would give up its rights, and with them the folder.
        user = "user root" if os.geteuid() == 0 else ""
        config = self._folder / "mosquitto.conf"
        config.write_text(_CONFIG.format(port=self.port, folder=self._folder, user=user))
        self._process = await asyncio.create_subprocess_exec(program(), "-c", config, stderr=asyncio.subprocess.DEVNULL)
        await listens(self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    @property
    def pid(self) -> int:
        """Its process."""
        if self._process is None:
            raise RuntimeError("the broker was not started")
        return self._process.pid


def program() -> str:
    """Where mosquitto is.

    Raises:
        RuntimeError: nowhere.
    """
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError("mosquitto is missing: apt-get install mosquitto")
    return found


async def listens(port: int) -> None:
    """Wait until somebody listens on a port of this machine."""
    async with asyncio.timeout(_WITHIN):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)
