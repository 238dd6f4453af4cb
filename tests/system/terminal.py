"""A terminal with somebody at it: reads what a command says, and types."""

import asyncio
import contextlib
import os
import pty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests import forks

_PATIENCE = 30.0
_SCRIPT = Path(__file__).with_name("on_a_terminal.py")
_CTRL_C = b"\x03"


class Terminal:
    """The person's side. `seen` is everything that stood on the screen."""

    def __init__(self, screen: int, process: "forks.Forked | asyncio.subprocess.Process") -> None:
        self.seen = ""
        self._screen = screen
        self._process = process
        self._read_to = 0
        self._more = asyncio.Event()
        self._over = False
        os.set_blocking(screen, False)
        asyncio.get_running_loop().add_reader(screen, self._look)

    async def answer(self, question: str, answer: str) -> None:
        """Wait for a question, and type an answer to it."""
        await self.until(question)
        os.write(self._screen, f"{answer}\n".encode())

    async def until(self, words: str) -> None:
        """Wait until these words stand on the screen, after those that were waited for before."""
        async with asyncio.timeout(_PATIENCE):
            while (found := self.seen.find(words, self._read_to)) < 0:
                assert not self._over, f"it ended without saying {words!r}:\n{self.seen}"
                self._more.clear()
                await self._more.wait()
        self._read_to = found + len(words)

    async def press_ctrl_c(self) -> None:
        """Until it ends, as people do: a signal just before Python begins to read is only seen after the next key."""
        async with asyncio.timeout(_PATIENCE):
            while self._process.returncode is None:
                os.write(self._screen, _CTRL_C)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._process.wait(), 1)

    async def end(self) -> int:
        """Its exit code, once it has ended and everything was read."""
        async with asyncio.timeout(_PATIENCE):
            code = await self._process.wait()
            while not self._over:
                self._more.clear()
                await self._more.wait()
        return code

    def leave(self) -> None:
        """Switch the screen off."""
        asyncio.get_running_loop().remove_reader(self._screen)
        os.close(self._screen)

    def _look(self) -> None:
        try:
            said = os.read(self._screen, 65_536)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has the other end any more
            said = b""
        if not said:
            self._over = True
            asyncio.get_running_loop().remove_reader(self._screen)
        self.seen += said.decode(errors="replace")
        self._more.set()


@asynccontextmanager
async def terminal(*words: str | Path) -> AsyncIterator[Terminal]:
    """A command of relay's, at a terminal."""
    screen, keyboard = pty.openpty()
    process = await forks.start(_SCRIPT, *words, stdin=keyboard, stdout=keyboard, stderr=keyboard)
    os.close(keyboard)
    person = Terminal(screen, process)
    try:
        yield person
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        person.leave()
