"""Processes that run relay, made quickly: each is forked from one that has imported all of relay already.

A start of `python -m relay` spends more than a second of a processor on imports, and the tests start hundreds. What is
forked is a process like any other: it has its own pid, gets real signals and may be killed at any instruction.
Processes that have to begin from nothing (under strace, with libraries put before) are started without this.
"""

import asyncio
import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

from tests.nursery import STATUS

ROOT = Path(__file__).parents[1]
PIPE = asyncio.subprocess.PIPE
_AT_ITS_BEGINNING = (
    "LANG",
    "LC_",
    "LD_",
    "MALLOC_",
    "PYTHON",
    "SSL_",
)  # variables that are heeded while a process begins
_PATIENCE = 10  # seconds for its end
_MOST = 1 << 30  # bytes that may be read ahead of whoever asks: reading never stops before the end


def may_be_forked(environment: Mapping[str, str]) -> bool:
    """Whether a process with this environment may be forked: nothing in it matters before Python runs."""
    names = {name for name in {*environment, *os.environ} if environment.get(name) != os.environ.get(name)}
    return not any(name.startswith(_AT_ITS_BEGINNING) for name in names) and "COVERAGE_PROCESS_CONFIG" not in os.environ


async def start(
    *words: str | Path,
    stdin: int | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> "Forked | asyncio.subprocess.Process":
    """Run Python with these words, at the root of the project: `-m` and a module, or a file, and their arguments.

    Args:
        words: as after `python`.
        stdin: `PIPE`, or nothing to read.
        stdout: `PIPE`, or a file; nothing: thrown away.
        stderr: `PIPE`, `STDOUT`, or a file; nothing: thrown away.
        environment: all of it; nothing: the tests' own.
    """
    variables = dict(os.environ if environment is None else environment)
    if may_be_forked(variables):
        return await _forked([str(word) for word in words], stdin, stdout, stderr, variables)
    nothing = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *map(str, words)),
        stdin=nothing if stdin is None else stdin,
        stdout=nothing if stdout is None else stdout,
        stderr=nothing if stderr is None else stderr,
        cwd=ROOT,
        env=variables,
    )


class Forked:
    """A process, with what asyncio's own has: its streams where they were asked for, its end, its signals.

    Attributes:
        pid: its number.
        stdin: what is written there it reads.
        stdout: what it writes.
        stderr: what it writes there.
    """

    def __init__(self, pid: int, handle: int, ended: int) -> None:
        self.pid = pid
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._handle = handle
        self._ended = ended
        self._code: int | None = None
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.create_future()
        self._loop.add_reader(ended, self._note_end)
        self._read: list[_ToReader] = []

    def connect(
        self, name: str, stream: "asyncio.StreamReader | asyncio.StreamWriter", pipe: "_ToReader | None"
    ) -> None:
        """Give it one of its streams."""
        setattr(self, name, stream)
        if pipe is not None:
            self._read.append(pipe)

    @property
    def returncode(self) -> int | None:
        """Its exit code, or the negative number of the signal that ended it; None while it runs."""
        if self._code is None:
            self._note_end()
        return self._code

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        if self.returncode is None:
            await asyncio.shield(self._end)
        for stream in self._read:
            await stream.over.wait()
        assert self._code is not None
        return self._code

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing happens where it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    async def communicate(self, given: bytes = b"") -> tuple[bytes, bytes]:
        """What it writes to stdout and to stderr until its end, after it was given something to read."""
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.stdin.write(given)
                await self.stdin.drain()
            self.stdin.close()
        out, err = await asyncio.gather(*(_all_of(one) for one in (self.stdout, self.stderr)))
        await self.wait()
        return out, err

    def _note_end(self) -> None:
        if self._code is not None:
            return
        try:
            told = os.read(self._ended, STATUS)
        except BlockingIOError:
            return
        self._code = os.waitstatus_to_exitcode(int.from_bytes(told, "little")) if told else -signal.SIGKILL
        if not self._loop.is_closed():
            self._loop.remove_reader(self._ended)
            if not self._end.done():
                self._end.set_result(None)
        os.close(self._ended)
        os.close(self._handle)


async def _all_of(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()


async def _forked(
    words: list[str],
    stdin: int | None,
    stdout: int | IO[bytes] | None,
    stderr: int | IO[bytes] | None,
    environment: dict[str, str],
) -> Forked:
    """Have a process forked, and connect its streams."""
    ours: dict[str, int] = {}
    with contextlib.ExitStack() as theirs:
        ended, telling = os.pipe()
        theirs.callback(os.close, telling)
        given = [_end_for("stdin", stdin, ours, theirs), _end_for("stdout", stdout, ours, theirs)]
        given.append(given[1] if stderr == asyncio.subprocess.STDOUT else _end_for("stderr", stderr, ours, theirs))
        order = json.dumps({"words": words, "environment": environment}).encode()
        nursery = _nursery()
        pid, handle = await asyncio.to_thread(nursery.fork, order, [*given, telling])
    os.set_blocking(ended, False)
    process = Forked(pid, handle, ended)
    for name, end in ours.items():
        if name == "stdin":
            process.connect(name, await _writer(end), None)
        else:
            process.connect(name, *await _reader(end))
    return process


def _end_for(name: str, asked: int | IO[bytes] | None, ours: dict[str, int], theirs: contextlib.ExitStack) -> int:
    """Their end of a stream; ours, where it is a pipe, is kept."""
    if asked == PIPE:
        reading, writing = os.pipe()
        ours[name], end = (writing, reading) if name == "stdin" else (reading, writing)
    elif asked is None or isinstance(asked, int):
        end = os.open(os.devnull, os.O_RDWR) if asked is None else os.dup(asked)
    else:
        end = os.dup(asked.fileno())
    theirs.callback(os.close, end)
    return end


async def _reader(end: int) -> "tuple[asyncio.StreamReader, _ToReader]":
    reader = asyncio.StreamReader(limit=_MOST)
    loop = asyncio.get_running_loop()
    _, protocol = await loop.connect_read_pipe(lambda: _ToReader(reader), os.fdopen(end, "rb", 0))
    return reader, protocol


class _ToReader(asyncio.StreamReaderProtocol):
    """Feeds a reader. `over`: set once the pipe is closed."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self.over = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end has left, or this one."""
        super().connection_lost(exc)
        self.over.set()


async def _writer(end: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(end, "wb", 0))
    return asyncio.StreamWriter(transport, protocol, None, loop)


@dataclass(frozen=True)
class _Nursery:
    """The process that the others are forked from, and the way to it. All of them end with the tests."""

    process: "subprocess.Popen[bytes]"
    orders: socket.socket
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def fork(self, order: bytes, streams: Sequence[int]) -> tuple[int, int]:
        """Have a process made; its number, and a handle that no other process will ever have."""
        with self.one_at_a_time:
            socket.send_fds(self.orders, [order], list(streams))
            answer, handles, _, _ = socket.recv_fds(self.orders, 64, 1)
        if not answer:
            raise AssertionError("the process that tests are forked from has ended")
        return int(answer), handles[0]


@cache
def _nursery() -> _Nursery:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
        )
    atexit.register(_leave, process, ours)
    return _Nursery(process, ours)


def _leave(process: "subprocess.Popen[bytes]", orders: socket.socket) -> None:
    orders.close()
    process.wait(_PATIENCE)
