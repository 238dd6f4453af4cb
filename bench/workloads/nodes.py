"""NODES: texts a second that one, two and three nodes send over one PostgreSQL, to a provider that takes its time.

All of them share the machine with everything else. Nothing is measured but how they add up.
"""

import asyncio
import json
import math
import tempfile
import time
from pathlib import Path

import aiomqtt
from aiohttp import web
from aiohttp.typedefs import Handler

from bench.measuring import Measured, only
from bench.options import Options
from bench.pairs import Pairs, told
from tests import brokers, databases
from tests.nodes.cluster import Cluster, cluster, eventually
from tests.system.world import LINES

COUNTS = (1, 2, 3)
LINE = "alerts"
ALERTS = LINES.partition("[lines.office]")[0]
LATENCY = 1.0  # seconds that the provider takes for a call
REQUESTS, QUICK_REQUESTS = 120, 30  # for each node


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    del cores
    runs: list[Measured] = []
    for _ in range(options.pairs):
        rates = [await sending(count, QUICK_REQUESTS if options.quick else REQUESTS) for count in COUNTS]
        for count, rate in zip(COUNTS, rates, strict=True):
            notes = {"texts a second": rate, "times one node's": rate / rates[0]}
            runs.append(told(only(f"{count} node(s)", math.nan, notes)))
    await asyncio.to_thread(databases.end_shared)
    return Pairs(runs)


async def sending(count: int, each: int) -> float:
    """Texts a second that so many nodes send."""

    @web.middleware
    async def slowly(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST" and request.path.endswith("/messaging/outbox"):
            await request.read()
            await asyncio.sleep(LATENCY)
        return await handler(request)

    with tempfile.TemporaryDirectory() as folder, databases.borrowed() as database:
        where = (Path(folder), brokers.free_port, database.url)
        async with cluster(*where, count=count, speed=1, lines=ALERTS, middlewares=(slowly,)) as made:
            await made.start()
            await eventually(lambda: made.logged("bus.listening"), what="commands are heard")
            return await _rate(made, each * count)


async def _rate(made: Cluster, count: int) -> float:
    async with aiomqtt.Client("127.0.0.1", made.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        for number in range(count):
            # Every text is another one, so that none travels with others in one call.
            request = {"id": f"b-{number}", "to": f"+1206555{1000 + number}", "text": f"text {number}"}
            await client.publish(f"relay/line/{LINE}/send", json.dumps(request), qos=1)
    await made.until_att(lambda: made.taken >= count // 6, within=600)
    began, first = time.monotonic(), made.taken
    await made.until_att(lambda: made.taken >= count - count // 6, within=600)
    return (made.taken - first) / (time.monotonic() - began)
