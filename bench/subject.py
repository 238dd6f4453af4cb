"""The process under test: relay as systemd runs it, or the bare script; alone on its core."""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.workers import ROOT

READY_WITHIN = 60.0
_STOP_WITHIN = 60.0
_ERRORS = "errors.log"


class Subject:
    """A process on a core of its own; `async with` ends it.

    Args:
        core: its core.
        folder: where its log goes.
        words: what Python is to run.
        name: of its log.
    """

    def __init__(self, core: int, folder: Path, *words: str | Path, name: str = "bare") -> None:
        self.folder = folder
        self._core = core
        self._words = words
        self._log = folder / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._running.pid

    async def start_bare(self) -> int:
        """Start the bare script; gives the port that it says."""
        process = await self._start(asyncio.subprocess.PIPE, dict(os.environ))
        assert process.stdout is not None  # noqa: S101 - for the type checker
        async with asyncio.timeout(READY_WITHIN):
            said = await process.stdout.readline()
        if not said.startswith(b"ready"):
            raise RuntimeError(f"the bare script ended: {self._said()}")
        return int(said.split()[1])

    async def start_relay(self) -> None:
        """Start relay; returns when it says READY=1."""
        with notifications(self.folder / "notify") as (path, notified):
            with self._log.open("ab") as log:
                process = await self._start(log.fileno(), {**os.environ, "NOTIFY_SOCKET": str(path), "FDSTORE": "0"})
            ready, ended = asyncio.create_task(_ready(notified)), asyncio.create_task(process.wait())
            await asyncio.wait({ready, ended}, timeout=READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
            is_ready = ready.done()
            ready.cancel()
            ended.cancel()
            if not is_ready:
                raise RuntimeError(f"relay is not ready: {self._said()}")

    async def end(self) -> None:
        """Kill it, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        self._running.terminate()
        async with asyncio.timeout(_STOP_WITHIN):
            await self._running.wait()

    def _said(self) -> str:
        logs = (self._log, self.folder / _ERRORS)
        return "\n".join(path.read_text()[-4000:] for path in logs if path.exists())

    async def _start(self, stdout: int, environment: dict[str, str]) -> asyncio.subprocess.Process:
        with (self.folder / _ERRORS).open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *("taskset", "-c", str(self._core), sys.executable, *map(str, self._words)),
                stdout=stdout,
                stderr=errors,
                cwd=ROOT,
                env=environment,
            )
        return self._process

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("it was not started")
        return self._process


async def _ready(notified: socket.socket) -> None:
    while b"READY=1" not in await asyncio.get_running_loop().sock_recv(notified, 4096):
        pass


@contextlib.contextmanager
def notifications(path: Path) -> Iterator[tuple[Path, socket.socket]]:
    """The socket that systemd would listen on."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(path))
        notified.setblocking(False)  # noqa: FBT003 - the standard library's word
        yield path, notified


def program(name: str) -> str:
    """Where a program is that has to be there.

    Raises:
        RuntimeError: nowhere.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is missing")
    return found
