"""A helper process' side of its pipe: one order a line comes in as JSON, one answer a line goes out."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Verbs = Mapping[str, Callable[..., Awaitable[Any]]]

_LONGEST = 1 << 24


async def obey(verbs: Verbs) -> None:
    """Carry out orders, `{"do": verb, ...}`, until the pipe is closed."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=_LONGEST)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    # What it prints by mistake does not get in between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    while line := await orders.readline():
        order = json.loads(line)
        answers.write(json.dumps(await verbs[order.pop("do")](**order)) + "\n")


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run on uvloop."""
    import uvloop  # noqa: PLC0415 - an extra of relay's, and needed where something is measured alone

    async def live() -> None:
        await main()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())
