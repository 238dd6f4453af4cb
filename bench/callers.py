"""AT&T's callers: a worker that delivers web hooks over connections that stay, each with one hook under way."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from bench.marks import Times, mark, now, phone
from bench.worker import obey, run

_HEAD = "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
_TEXT = '{"DateTime":"%s","MessageId":"","Message":"Where is my %s? It was to come today, between nine and twelve.","SenderAddress":"tel:%s","DestinationAddress":"tel:12345"}'  # noqa: E501 - one body
_STATUS = '{"deliveryInfoNotification":{"messageId":"%s","deliveryInfo":{"address":"tel:%s","deliveryStatus":"DeliveredToTerminal"}}}'  # noqa: E501 - one body
_DATE = "11-22-2026T06:%02d:%02d"


def text_hook(number: int) -> str:
    """A text that came in (SMS documentation, Receive SMS)."""
    date = _DATE % (number // 60 % 60, number % 60)
    return _TEXT % (date, mark(number), phone(number))


def status_hook(number: int, recipients: int) -> str:
    """What became of the copy of this number, of calls with so many recipients, as the stub names them."""
    return _STATUS % (f"SMS{number // recipients + 1:016x}", phone(number))


class Caller(asyncio.Protocol):
    """One connection. `ended` is called with each answer: its status, and the hook's number."""

    def __init__(self, ended: Callable[["Caller", int, int], None]) -> None:
        self._ended = ended
        self._number = 0
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it."""
        self._transport = cast("asyncio.Transport", transport)

    def call(self, path: str, number: int, body: str) -> None:
        """Deliver a hook."""
        assert self._transport is not None  # noqa: S101 - for the type checker
        self._number = number
        self._transport.write((_HEAD % (path, len(body), body)).encode())

    def connection_lost(self, error: Exception | None) -> None:
        """It is used no more."""

    def data_received(self, data: bytes) -> None:
        """Read the answer; those of relay and of the bare script say how long they are."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        status = int(head[9:12])
        self._buffer = b""
        self._ended(self, status, self._number)


class Callers:
    """The worker: what it can be told to do."""

    def __init__(self) -> None:
        self._free: list[Caller] = []
        self._due: list[int] = []  # numbers of hooks that wait for a connection
        self._path, self._next, self._limit, self._paced = "", 0, 0, False
        self._recipients = 0
        self._answers: Counter[int] = Counter()
        self._slowest: dict[int, int] = {}
        self._begun, self._ended = Times(), Times()
        self._begun_at: dict[int, int] = {}
        self._pacing: asyncio.Task[None] | None = None

    async def connect(self, port: int, connections: int) -> None:
        """Connect to the web-hook listener."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, caller = await loop.create_connection(lambda: Caller(self._answered), "127.0.0.1", port)
            self._free.append(caller)

    async def saturate(self, path: str, limit: int = 1 << 60, recipients: int = 0) -> None:
        """Keep a hook under way on every connection; statuses of calls with `recipients`, or texts where that is 0."""
        self._path, self._limit, self._recipients = path, limit, recipients
        for caller in [*self._free]:
            self._call_next(caller)

    async def pace(self, path: str, rate: float) -> None:
        """Deliver so many texts a second, evenly; one for which no connection is free waits, and its wait counts."""
        self._path, self._limit, self._paced = path, 1 << 60, True
        self._pacing = asyncio.create_task(self._keep_pace(rate))

    async def stop(self) -> None:
        """Deliver no more."""
        self._limit = 0
        if self._pacing is not None:
            self._pacing.cancel()

    async def counts(self) -> dict[str, int]:
        """How many answers of each status there were, and the slowest of each, in microseconds."""
        slowest = {f"slowest_{status}": at // 1000 for status, at in self._slowest.items()}
        return {"begun": self._next, **{str(status): n for status, n in self._answers.items()}, **slowest}

    async def times(self, path: str, kind: str = "") -> int:
        """Write when hooks were due, or (`answered`) when they were answered with 2xx, into a file."""
        return (self._ended if kind else self._begun).write(path)

    def _call_next(self, caller: Caller) -> None:
        if self._next >= self._limit:
            return
        self._begin(self._next)
        self._call(caller, self._next)
        self._next += 1

    def _begin(self, number: int) -> None:
        self._begun.note_number(number)
        self._begun_at[number] = now()

    def _call(self, caller: Caller, number: int) -> None:
        body = status_hook(number, self._recipients) if self._recipients else text_hook(number)
        caller.call(self._path, number, body)

    def _answered(self, caller: Caller, status: int, number: int) -> None:
        self._answers[status] += 1
        took = now() - self._begun_at.pop(number)
        self._slowest[status] = max(self._slowest.get(status, 0), took)
        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
            self._ended.note_number(number)
        if not self._paced:
            self._call_next(caller)
        elif self._due:
            self._call(caller, self._due.pop(0))
        else:
            self._free.append(caller)

    async def _keep_pace(self, rate: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._begin(self._next)
            if self._free:
                self._call(self._free.pop(), self._next)
            else:
                self._due.append(self._next)
            self._next += 1
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - loop.time()))


async def main() -> None:
    """Obey."""
    callers: Any = Callers()
    await obey({name: getattr(callers, name) for name in ("connect", "saturate", "pace", "stop", "counts", "times")})


if __name__ == "__main__":
    run(main)
