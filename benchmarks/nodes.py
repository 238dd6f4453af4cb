"""How much more two and three nodes send than one, to a provider that takes its time; as ratios in one run.

python -m benchmarks.nodes
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import aiomqtt
from aiohttp import web
from aiohttp.typedefs import Handler

from benchmarks.table import show
from tests import brokers, databases
from tests.nodes.cluster import Cluster, cluster, eventually
from tests.system.world import LINES

COUNTS = (1, 2, 3)
LINE = "alerts"
ALERTS = LINES.partition("[lines.office]")[0]
LATENCY = 1.0  # seconds that the provider takes for a call
REQUESTS = 120  # for each node


async def sending(count: int, latency: float) -> float:
    """Texts a second that so many nodes send to a provider that answers each call after `latency` seconds."""

    @web.middleware
    async def slowly(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST" and request.path.endswith("/messaging/outbox"):
            await request.read()
            await asyncio.sleep(latency)
        return await handler(request)

    with tempfile.TemporaryDirectory() as folder, databases.borrowed() as database:
        where = (Path(folder), brokers.free_port, database.url)
        async with cluster(*where, count=count, speed=1, lines=ALERTS, middlewares=(slowly,)) as made:
            await made.start()
            await eventually(lambda: made.logged("bus.listening"), what="commands are heard")
            return await _rate(made, REQUESTS * count)


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


def main() -> None:
    """Measure, and print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--latency", type=float, default=LATENCY, help="seconds that the provider takes for a call")
    latency = asked.parse_args().latency
    rates = [(f"{count} node(s)", asyncio.run(sending(count, latency))) for count in COUNTS]
    show(f"A provider that answers after {latency} s", rates)
    databases.end_shared()


if __name__ == "__main__":
    main()
