"""One fault after the other, of nodes, of PostgreSQL and of the broker, while everything flows over three nodes."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.battery.table import Row
from tests.nodes.cluster import Cluster, cluster, eventually
from tests.nodes.flow import MANY, SEED, Flow, Round
from tests.postgres import Server
from tests.standby import Standby, keep_pace

LEASE = 3.0  # seconds
ROUNDS, MANY_ROUNDS = 6, 500
CALM = 3.0, 15.0  # seconds between two faults of the long form
PATIENCE = 300.0  # seconds until a text that stands behind hundreds of others has gone all the way


@dataclass
class Storm:
    """What goes wrong, and how often it did.

    Attributes:
        primary: the server that takes what is written now.
    """

    made: Cluster
    primary: Server
    standby: Standby
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0

    async def fault(self, name: str, flow: Flow) -> None:
        """Let this happen, and wait until everything flows again."""
        happens: dict[str, Callable[[], Awaitable[None]]] = {
            "kill": self._kill,
            "pause": self._pause,
            "restart": self._restart,
            "crash": self._crash,
            "broker": self._broker,
            "failover": self._fail_over,
        }
        await happens[name]()
        self.done[name] += 1
        self.longest = max(self.longest, await flow.recovered(PATIENCE))

    async def _kill(self) -> None:
        victim = self.chance.choice(self.made.nodes)
        await victim.kill()
        await victim.start()

    async def _pause(self) -> None:
        victim = self.chance.choice(self.made.nodes)
        lives, buried = len(victim.logged("relay.started")), self._buried(victim.name)
        victim.pause()
        await eventually(lambda: self._buried(victim.name) > buried, PATIENCE, "it is buried")
        victim.resume()
        await eventually(lambda: len(victim.logged("relay.started")) > lives, PATIENCE, "it begins a new life")

    async def _restart(self) -> None:
        await asyncio.to_thread(self.primary.restart)

    async def _crash(self) -> None:
        await asyncio.to_thread(self.primary.restart, "immediate")

    async def _broker(self) -> None:
        await self.made.broker.stop()
        await self.made.broker.start()

    async def _fail_over(self) -> None:
        await asyncio.to_thread(self.primary.kill)
        await asyncio.to_thread(self.standby.promote)
        self.primary = self.standby

    def _buried(self, name: str) -> int:
        return sum(name in line["nodes"] for line in self.made.logged("node.buried"))


@pytest.mark.long_only
@pytest.mark.timeout(14_400)  # its own waits are bounded; the long form has 100,000 copies
async def test_whatever_fails_one_after_the_other_each_thing_is_done_once(
    tmp_path: Path, free_port: Callable[[], int], server: Server, found: Callable[[Row], None], *, long: bool
) -> None:
    """Nodes killed and paused past their lease, PostgreSQL restarted, crashed and failed over, the broker restarted."""
    await asyncio.to_thread(server.create_database, "relay")
    with Standby(server) as standby:
        keep_pace(server, synchronous=True)
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in (server, standby))
        url = f"postgresql://relay@{hosts}/relay?target_session_attrs=read-write"
        async with cluster(tmp_path, free_port, url, lease=LEASE) as made:
            flow = Flow(made, MANY if long else Round())
            await made.start()
            await flow.prepare()
            storm = Storm(made, server, standby, random.Random(SEED))  # noqa: S311 - a failure must repeat
            asking = asyncio.create_task(_ask(flow, MANY_ROUNDS if long else ROUNDS))
            await _rage(storm, flow, asking, long=long)
            await asking
            findings = await flow.settled(7200.0)
            await flow.aclose()
            note = f"{dict(storm.done)}; {flow.said(findings)}"
            found(Row("N5", "one fault after the other", storm.done.total(), 0, 0, storm.longest, note))
            assert findings.is_clean, findings
            assert not made.logged("stage.failed")
            # A node that stands still answers nothing: AT&T comes again.
            assert set(made.hook_answers()) <= {"200", "no connection", "timeout"}, made.hook_answers()


async def _ask(flow: Flow, rounds: int) -> None:
    for _ in range(rounds):
        await flow.round()
        await flow.keep_pace(PATIENCE)


async def _rage(storm: Storm, flow: Flow, asking: "asyncio.Task[None]", *, long: bool) -> None:
    """In the long form whatever chance brings until all is asked for, with one fail-over in the middle."""
    for name in ("kill", "pause", "crash", "broker"):
        await storm.fault(name, flow)
    while long and not asking.done():
        if flow.rounds >= MANY_ROUNDS // 2 and not storm.done["failover"]:
            await storm.fault("failover", flow)
        await storm.made.nodes[0].lives_for(storm.chance.uniform(*CALM))
        await storm.fault(storm.chance.choice(("kill", "pause", "restart", "crash", "broker")), flow)
    if not storm.done["failover"]:
        await storm.fault("failover", flow)
