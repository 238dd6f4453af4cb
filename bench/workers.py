"""Helper processes: started, given orders, measured, ended."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
_LONGEST = 1 << 24
_PATIENCE = 600.0  # seconds for an order


async def finished(module: str, *words: str) -> None:
    """Run a module of this package to its end.

    Raises:
        RuntimeError: it ended badly.
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *words, cwd=ROOT)
    if await process.wait():
        raise RuntimeError(f"{module} ended with {process.returncode}")


class Worker:
    """A process that runs a module of this package; `async with` starts and ends it.

    Args:
        module: such as `bench.stub`.
    """

    def __init__(self, module: str) -> None:
        self.name = module.rpartition(".")[2]
        self._module = module
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST,
            cwd=ROOT,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._running
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._running.pid

    async def ask(self, do: str, **facts: Any) -> Any:
        """Give it an order, and wait for the answer.

        Raises:
            RuntimeError: it ended instead, or kept silent.
        """
        process = self._running
        if process.stdin is None or process.stdout is None:
            raise RuntimeError(f"{self.name} has no pipes")
        process.stdin.write(json.dumps({"do": do, **facts}).encode() + b"\n")
        async with asyncio.timeout(_PATIENCE):
            answer = await process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended when it was asked to {do}")
        return json.loads(answer)

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process
