"""A small service manager: what systemd does for one unit with `FileDescriptorStoreMax=`, and nothing more."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.world import START_WITHIN, RelayProcess
from tests.systemd.handed import MOST

HANDED = Path(__file__).with_name("handed.py")


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the service's that is kept, and the name that it was given."""

    name: str
    file: int


@dataclass
class Manager:
    """Hears what the service says, keeps its files, and hands them to its next process.

    Attributes:
        folder: for its sockets.
        kept: the files, the oldest first.
        said: all words heard, in their order.
        ready: set while a process of the service has said that it is ready.
    """

    folder: Path
    kept: list[Kept] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def environment(self) -> dict[str, str]:
        """What the service is started with."""
        return {"NOTIFY_SOCKET": str(self.folder / "notify"), "HANDS": str(self.folder / "hands")}

    @asynccontextmanager
    async def managing(self) -> AsyncIterator[None]:
        """Hear and hand over inside."""
        loop = asyncio.get_running_loop()
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hands,
        ):
            for one, name in ((notified, "notify"), (hands, "hands")):
                one.bind(str(self.folder / name))
                one.setblocking(False)  # noqa: FBT003 - the standard library's word
            hands.listen()
            loop.add_reader(notified, self._hear, notified)
            loop.add_reader(hands, self._hand_over, hands)
            try:
                yield
            finally:
                loop.remove_reader(notified)
                loop.remove_reader(hands)
                self.forget()

    def forget(self, name: str | None = None) -> None:
        """Close what is kept under a name, or all of it."""
        gone = [one for one in self.kept if name in {None, one.name}]
        self.kept = [one for one in self.kept if one not in gone]
        for one in gone:
            os.close(one.file)

    def _hear(self, notified: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                told, files, _, _ = socket.recv_fds(notified, 4096, MOST)
                self._heed(dict(line.partition("=")[::2] for line in told.decode().splitlines()), files)

    def _heed(self, words: dict[str, str], files: list[int]) -> None:
        self.said.extend(f"{name}={value}" for name, value in words.items())
        if "FDSTORE" in words:
            self.kept += [Kept(words.get("FDNAME", "stored"), file) for file in files if not self._has(file)]
        elif "FDSTOREREMOVE" in words:
            self.forget(words["FDNAME"])
        elif "READY" in words:
            self.ready.set()

    def _has(self, file: int) -> bool:
        """Whether the same socket is kept already: systemd keeps it once. The second is closed."""
        same = any(os.fstat(one.file) == os.fstat(file) for one in self.kept)
        if same:
            os.close(file)
        return same

    def _hand_over(self, hands: socket.socket) -> None:
        way, _ = hands.accept()
        with way:
            names = json.dumps([one.name for one in self.kept]).encode()
            socket.send_fds(way, [names], [one.file for one in self.kept])


class ManagedRelay(RelayProcess):
    """`relay run` under the manager, which is made in its folder."""

    words = (HANDED, "run", "--config")

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.manager = Manager(directory)

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        self.manager.ready.clear()
        await self.launch(**self.manager.environment)
        ready, ended = asyncio.create_task(self.manager.ready.wait()), asyncio.create_task(self.process.wait())
        await asyncio.wait({ready, ended}, timeout=START_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        assert ready.done(), f"relay is not ready:\n{self.log_path.read_text()[-4000:]}"
