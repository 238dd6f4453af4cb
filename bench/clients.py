"""Clients on the bus: a worker that publishes commands, to keep a window full or at a pace, and hears events."""

import asyncio
import json
from collections import Counter
from typing import Any

from mqtt5 import PublishPacket

from bench.codeclink import CodecLink
from bench.marks import Times, mark, phone
from bench.worker import obey, run


def command(number: int, recipients: int) -> bytes:
    """A request like many others: its text is its own, so that none travels with another in one call."""
    to = [phone(number * recipients + each) for each in range(recipients)]
    text = f"Your {mark(number)} has left our house, and will be with you tomorrow between nine and twelve."
    return json.dumps({"id": mark(number), "to": to, "text": text}).encode()


class Clients:
    """The worker: what it can be told to do."""

    def __init__(self) -> None:
        self._asking: CodecLink | None = None
        self._hearing: CodecLink | None = None
        self._published = self._confirmed = 0
        self._limit = 0
        self._window = 0
        self._topic, self._recipients = "", 1
        self._finishing, self._each = "result", 1
        self._heard: Counter[str] = Counter()
        self._begun = Times()
        self._ended: dict[str, Times] = {}
        self._keep_times = True
        self._news = asyncio.Event()
        self._pacing: asyncio.Task[None] | None = None

    async def connect(self, port: int, filters: list[str], *, keep_times: bool = True) -> None:
        """Connect to the broker, and hear what these topic filters say."""
        self._keep_times = keep_times
        self._hearing = await CodecLink.connect(port, "bench-hears", self._hear)
        await self._hearing.subscribe(filters)
        self._asking = await CodecLink.connect(port, "bench-asks", self._hear)

    async def saturate(
        self, topic: str, window: int, finishing: str, each: int = 1, recipients: int = 1, limit: int = 1 << 60
    ) -> None:
        """Publish commands so that `window` of them are always under way.

        Args:
            topic: where to.
            window: commands, published and not finished.
            finishing: the last level of the topic that says that one is.
            each: how many events on it a command has.
            recipients: of each command.
            limit: no more than so many.
        """
        self._topic, self._window, self._recipients = topic, window, recipients
        self._finishing, self._each, self._limit = finishing, each, limit
        self._fill()

    async def pace(self, topic: str, rate: float, limit: int = 1 << 60) -> None:
        """Publish so many commands a second, evenly."""
        self._topic, self._recipients, self._limit = topic, 1, limit
        self._pacing = asyncio.create_task(self._paced(rate))

    async def stop(self) -> None:
        """Publish no more."""
        self._limit = 0
        if self._pacing is not None:
            self._pacing.cancel()

    async def heard(self, kind: str) -> None:
        """Wait until an event of this kind was heard."""
        while not self._heard[kind]:
            self._news.clear()
            await self._news.wait()

    async def counts(self) -> dict[str, int]:
        """How many commands were published, how many of them the broker has, and how many events were heard."""
        return {"published": self._published, "confirmed": self._confirmed, **self._heard}

    async def times(self, path: str, kind: str = "") -> int:
        """Write when commands were published, or when events of this kind were heard, into a file."""
        return (self._ended.get(kind, Times()) if kind else self._begun).write(path)

    def _hear(self, link: CodecLink, packet: PublishPacket) -> None:
        link.ack(packet)
        kind = packet.topic.rpartition("/")[2]
        self._heard[kind] += 1
        self._news.set()
        if self._keep_times:
            self._ended.setdefault(kind, Times()).note(packet.payload)
        if kind == self._finishing:
            self._fill()

    def _fill(self) -> None:
        finished = self._heard[self._finishing] // self._each
        while self._published - finished < self._window and self._published < self._limit:
            self._publish()

    async def _paced(self, rate: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._published < self._limit:
            self._publish()
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _publish(self) -> None:
        assert self._asking is not None  # noqa: S101 - for the type checker
        if self._keep_times:
            self._begun.note_number(self._published)
        self._asking.publish(self._topic, command(self._published, self._recipients), self._confirm)
        self._published += 1

    def _confirm(self) -> None:
        self._confirmed += 1


_VERBS = ("connect", "saturate", "pace", "stop", "heard", "counts", "times")


async def main() -> None:
    """Obey."""
    clients: Any = Clients()
    await obey({name: getattr(clients, name) for name in _VERBS})


if __name__ == "__main__":
    run(main)
