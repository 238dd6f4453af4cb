"""A proxy between relay and any server over TCP, which does to connections and answers what a bad network does."""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, Self

from relay.clock import SystemClock

Trouble = Literal[
    "latency", "cut-before", "cut-after", "cut-middle", "half-open", "swallow", "garbage", "drip", "throttle"
]

_REQUEST = re.compile(rb"([A-Z]+ \S+) HTTP/1\.[01]\r\n")
_CHUNK = 1 << 16
_TIME = SystemClock()


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, how often, and to what.

    Attributes:
        do: `latency` keeps an answer back for `seconds`. `cut-before` lets nothing of the request through and breaks
            the connection, `cut-after` breaks it once the request is answered and lets no byte of that through,
            `cut-middle` breaks it after `size` bytes of the answer. `half-open` takes the request, passes nothing on
            and never answers; `swallow` passes it on and never answers. `garbage` answers with `answer`, and with
            `size` bytes more, in place of the server, which hears nothing. `drip` lets a byte through every `seconds`,
            `throttle` lets `size` bytes a second through.
        path: HTTP requests whose method and path, as in `POST /send`, have this in them; "": all requests; None: a
            whole connection, whatever it speaks.
        times: so many requests or connections; 0: until it is changed.
        seconds: see `do`.
        size: see `do`.
        answer: see `do`.
    """

    do: Trouble
    path: str | None = ""
    times: int = 1
    seconds: float = 0.2
    size: int = 0
    answer: bytes = b"\x00\xff garbage\r\n\r\n"


class ChaosProxy:
    """Passes on what comes, until it is told otherwise.

    Args:
        port: the server's, on loopback; it may be told later, as `target`.
        listen: its own; 0: a free one.
    """

    def __init__(self, port: int = 0, *, listen: int = 0) -> None:
        self.port = listen
        self.done: list[Fault] = []  # what was done, each as often as it was
        self.connections = 0
        self.target = port
        self._faults: list[Fault] = []
        self._server: asyncio.Server | None = None
        self._is_open = False
        self._pairs: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        """Its address, for HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def do(self, fault: Fault) -> None:
        """Do this to the next that matches, after the faults that were asked for before."""
        self._faults.append(fault)

    def heal(self) -> None:
        """Do nothing more to what comes from now on; a connection that is stuck stays so until it is left."""
        self._faults.clear()

    async def refuse(self) -> None:
        """Close the port and break every connection: whoever connects is refused."""
        self._is_open = False
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._pairs.values():
            writer.transport.abort()
        for pair in list(self._pairs):
            pair.cancel()
        if self._pairs:
            await asyncio.wait(list(self._pairs))

    async def accept(self) -> None:
        """Open the port, the same as before."""
        self._is_open = True
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def __aenter__(self) -> Self:
        """Open the port."""
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it, with every connection."""
        await self.refuse()

    def _fault(self, path: str | None) -> Fault | None:
        for place, one in enumerate(self._faults):
            if (path is None) == (one.path is None) and (one.path or "") in (path or ""):
                if one.times == 1:
                    del self._faults[place]
                elif one.times:
                    self._faults[place] = replace(one, times=one.times - 1)
                self.done.append(one)
                return one
        return None

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_open:  # it came as the port was closed
            writer.transport.abort()
            return
        self.connections += 1
        pair = asyncio.create_task(self._pass_on(reader, writer))
        self._pairs[pair] = writer
        # Also of one that is cancelled before it has begun.
        pair.add_done_callback(self._leave)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # What the two ends do to each other is what this is about.
        with suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            await _Pair(self, reader, writer).run(self.target)

    def _leave(self, pair: "asyncio.Task[None]") -> None:
        self._pairs.pop(pair).transport.abort()


class _Pair:
    """One connection, and the one that it is passed on by."""

    def __init__(self, proxy: ChaosProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._whole = proxy._fault(None)
        self._fault = self._whole

    async def run(self, target: int) -> None:
        reader, server = await asyncio.open_connection("127.0.0.1", target)
        there = asyncio.create_task(self._requests(server))
        back = asyncio.create_task(self._answers(reader))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            server.transport.abort()
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _requests(self, server: asyncio.StreamWriter) -> None:
        while chunk := await self._reader.read(_CHUNK):
            if (request := _REQUEST.match(chunk)) is not None:
                # A client sends its next request only when it has the answer to the last.
                self._fault = self._whole or self._proxy._fault(request[1].decode(errors="replace"))
            match self._fault:
                case Fault(do="cut-before"):
                    return
                case Fault(do="garbage") as fault:
                    await self._answer(fault)
                    return
                case Fault(do="half-open"):
                    continue
            server.write(chunk)
            await server.drain()

    async def _answer(self, fault: Fault) -> None:
        self._writer.write(fault.answer)
        left = fault.size
        while left > 0:
            await self._writer.drain()
            self._writer.write(bytes(min(left, _CHUNK)))
            left -= _CHUNK
        self._writer.write_eof()
        # Else what is still on its way would be thrown away with the connection.
        while await self._reader.read(_CHUNK):
            pass

    async def _answers(self, reader: asyncio.StreamReader) -> None:
        passed = 0
        while chunk := await reader.read(_CHUNK):
            match self._fault:
                case Fault(do="cut-after"):
                    return
                case Fault(do="swallow" | "half-open"):
                    continue
                case Fault(do="cut-middle", size=size):
                    await self._pass(chunk[: max(size - passed, 0)])
                    passed += len(chunk)
                    if passed >= size:
                        return
                case Fault(do="latency", seconds=seconds):
                    await _TIME.sleep(seconds)
                    await self._pass(chunk)
                case Fault(do="drip", seconds=seconds):
                    await self._piecewise(chunk, 1, seconds)
                case Fault(do="throttle", size=size):
                    await self._piecewise(chunk, max(size // 10, 1), 0.1)
                case _:
                    await self._pass(chunk)

    async def _piecewise(self, chunk: bytes, size: int, seconds: float) -> None:
        for start in range(0, len(chunk), size):
            await self._pass(chunk[start : start + size])
            await _TIME.sleep(seconds)

    async def _pass(self, chunk: bytes) -> None:
        self._writer.write(chunk)
        await self._writer.drain()
