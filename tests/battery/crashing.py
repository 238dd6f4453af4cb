"""Relay's own command line, in a process that falls at a boundary that a test has named in a file.

`python -m tests.battery.crashing FILE run --config …` is `relay run --config …` with a listener at the boundaries. As
long as FILE does not exist it is a relay as any other. `arm` writes into it which boundary is meant, at which reach,
and whether the process is killed there or its event loop stands still.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Literal

from relay.boundaries import Boundary, tell
from relay.cli.main import run
from tests.system.world import RUN, RelayProcess

Fall = Literal["kill", "block"]
FILE = "fall-at"
BLOCKED_FOR = 3600.0


class FallingRelay(RelayProcess):
    """A relay process that can be told where to fall."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.words = ("-m", "tests.battery.crashing", directory / FILE, *RUN[2:])

    def arm(self, boundary: Boundary, *, reach: int = 1, fall: Fall = "kill") -> None:
        """Let the process, now or once it starts, fall when it reaches `boundary` for the `reach`th time from now."""
        whole = self.directory / f"{FILE}.new"
        whole.write_text(f"{boundary} {reach} {fall}")
        whole.rename(self.directory / FILE)

    def disarm(self) -> None:
        """Let it be."""
        (self.directory / FILE).unlink(missing_ok=True)

    async def fallen(self) -> None:
        """Wait until it has killed itself, and see that it was that."""
        code = await self.process.wait()
        assert code == -signal.SIGKILL, f"relay ended with {code}:\n{self.log_path.read_text()[-4000:]}"


class _Falling:
    """The listener."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reached = 0

    def __call__(self, boundary: Boundary) -> None:
        try:
            wanted, reach, fall = self._path.read_text().split()
        except FileNotFoundError:
            return
        if boundary != wanted:
            return
        self._reached += 1
        if self._reached < int(reach):
            return
        # Once: the next life is to live.
        self._path.unlink()
        self._reached = 0
        if fall == "block":
            threading.Event().wait(BLOCKED_FOR)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    tell(_Falling(Path(sys.argv.pop(1))))
    run()
