"""A process that writes until it is killed, and says on standard output what the journal has acknowledged."""

import asyncio
import itertools
import sys
from zlib import crc32

import structlog

from relay.clock import SystemClock
from relay.domain.addresses import outbound
from relay.domain.messages import CallAnswer, Handover, InboundMessage, Plan, RawAnswer, SendRequest
from relay.domain.states import Fact
from relay.ids import Ids
from relay.journal import Journal


def acknowledged(*words: str) -> None:
    """Say it at once: what was said is what must be found."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def keep_raws(journal: Journal) -> None:
    """Web hooks come in and are read."""
    for number in itertools.count():
        kept = await journal.raw.keep("alerts", "hook", "receive", "", RawAnswer(b"x" * 300))
        acknowledged("raw", kept.id)
        message = InboundMessage(outbound("+12065550101"), "12345", "Hello", f"{kept.id}/{number}")
        await journal.raw.understood(kept, messages=[message])
        acknowledged("read", kept.id)


async def send(journal: Journal, name: str) -> None:
    """Requests are accepted, and some handed over."""
    for number in itertools.count():
        key = f"{name}-{number}"
        # Conversations of their own: a text waits for the one before it to the same number.
        first = 2_000_000 + crc32(key.encode()) % 7_000_000
        to = tuple(outbound(f"+1206{first + place}") for place in range(3))
        request = SendRequest("alerts", None, key, "digest", to, "Hello")
        await journal.commands.accept(request, Plan("gsm-7", 1, 2), [None] * 3)
        acknowledged("accepted", key)
        call = await journal.calls.claim("alerts", "relay-1")
        if call is not None:
            acknowledged("claimed", call.call_id)
            handovers = tuple(Handover(Fact.SUBMITTED) for _ in call.recipients)
            await journal.calls.answered(call.call_id, "relay-1", CallAnswer(call.call_id, handovers), first_look=60)
            acknowledged("answered", call.call_id)


async def main(url: str) -> None:
    """Write for ever."""
    clock = SystemClock()
    async with (
        await Journal.open(url, clock=clock, ids=Ids(clock), node="relay-1") as journal,
        asyncio.TaskGroup() as group,
    ):
        name = Ids(clock).new()
        acknowledged("ready")
        for place in range(4):
            group.create_task(keep_raws(journal))
            group.create_task(send(journal, f"{name}-{place}"))


if __name__ == "__main__":
    # Standard output is for what was acknowledged.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(sys.argv[1]))
