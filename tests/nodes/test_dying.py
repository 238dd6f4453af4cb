"""Nodes die, hang, and are restarted one after the other while everything flows: nothing is lost, nothing doubled."""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from relay import __version__
from tests.battery.table import Row
from tests.databases import Database
from tests.nodes.cluster import Cluster, Node, cluster, eventually
from tests.nodes.flow import SEED, Flow
from tests.nodes.newer import VERSION, newer_relay

Found = Callable[[Row], None]
KILLS, MANY_KILLS = 2, 60
PAUSES, MANY_PAUSES = 1, 20
SHORT_LEASE = 2.0  # seconds
FAIL_OVER = 15.0  # seconds, with default settings: what is promised


@pytest.mark.timeout(3600)  # its own waits are bounded; the long form has many
async def test_any_node_may_be_killed_at_any_moment(
    tmp_path: Path, free_port: Callable[[], int], database: Database, found: Found, *, long: bool
) -> None:
    """The others take its work within the lease; its calls in flight are uncertain, and never sent again."""
    chance = random.Random(SEED)  # noqa: S311 - a failure must repeat
    kills = MANY_KILLS if long else KILLS
    async with cluster(tmp_path, free_port, database.url, lease=SHORT_LEASE) as made:
        flow = await _begun(made)
        longest = 0.0
        async with flow.running():
            for _ in range(kills):
                victim = chance.choice(made.nodes)
                await victim.lives_for(chance.uniform(0.5, 2.5))
                await victim.kill()
                longest = max(longest, await flow.recovered())
                await victim.start()
        await _judged(flow, found, "SIGKILL of one of three nodes, all directions busy", kills, longest)


@pytest.mark.timeout(3600)  # its own waits are bounded; the long form has many
async def test_a_node_paused_past_its_lease_is_fenced(
    tmp_path: Path, free_port: Callable[[], int], database: Database, found: Found, *, long: bool
) -> None:
    """The others bury it and do its work; when it wakes, it begins nothing more under that life, and then a new one."""
    pauses = MANY_PAUSES if long else PAUSES
    async with cluster(tmp_path, free_port, database.url, lease=SHORT_LEASE) as made:
        flow = await _begun(made)
        longest = 0.0
        async with flow.running():
            for _ in range(pauses):
                for turn in ("bus", "line:alerts"):
                    longest = max(longest, await _paused(made, flow, turn))
            fenced = len(made.logged("node.fenced"))
        await _judged(flow, found, "SIGSTOP of a node past its lease, then SIGCONT", fenced, longest)
        assert fenced >= 2 * pauses
        assert not made.logged("stage.failed")


async def test_another_node_takes_over_in_time(
    tmp_path: Path, free_port: Callable[[], int], database: Database, found: Found
) -> None:
    """With default settings: the inbox is read, and a command answered, within 15 seconds of a SIGKILL."""
    async with cluster(tmp_path, free_port, database.url) as made:
        flow = await _begun(made)
        reading, answering = await _read_again(made), await _answered_again(made)
        async with flow.running():
            await flow.recovered()
        took = f"inbox after {reading:.1f} s, commands after {answering:.1f} s"
        await _judged(flow, found, "SIGKILL of whoever reads the inbox, then of whoever hears commands", 2, None, took)
        assert max(reading, answering) < FAIL_OVER


async def test_a_rolling_update_leaves_no_gap(
    tmp_path: Path, free_port: Callable[[], int], spent: Database, found: Found
) -> None:
    """Each node in turn is stopped and started as a newer relay, whose first start changes the tables under the others.

    No web hook finds no node, and no call is uncertain; a node of the older relay goes on, and cannot start again.
    """
    newer = await asyncio.to_thread(newer_relay, tmp_path)
    async with cluster(tmp_path, free_port, spent.url) as made:
        flow = await _begun(made)
        longest = 0.0
        async with flow.running():
            for node in made.nodes:
                began = time.monotonic()
                assert await node.stop() == 0
                longest = max(longest, await flow.recovered())
                assert time.monotonic() - began < FAIL_OVER
                node.environment = newer
                await node.start()
                longest = max(longest, await flow.recovered())
        uncertain = await _judged(flow, found, "each node stopped in turn, and started as a newer relay", 3, longest)
        assert uncertain == 0
        assert [line["version"] for line in made.logged("relay.started")] == [__version__, VERSION] * 3
        assert not made.logged("stage.failed")
        assert made.balancer.turned_away == 0
        # A hook may meet the end of a connection that was kept open: it is made again, and taken then.
        answers = made.hook_answers()
        assert set(answers) <= {"200", "no connection"}
        assert answers["no connection"] <= len(made.nodes)
        await _refused(made.nodes[0])


async def _refused(node: Node) -> None:
    """The relay of before does not start with tables that it does not know, and says so."""
    await node.stop()
    node.environment = {}
    await node.launch()
    assert await node.process.wait() == 1
    log = await asyncio.to_thread(node.log_path.read_text)
    assert "newer relay" in log.splitlines()[-1]


async def _begun(made: Cluster) -> Flow:
    """All nodes run, and everything has flowed once."""
    flow = Flow(made)
    await made.start()
    await flow.prepare()
    await flow.recovered()
    return flow


async def _paused(made: Cluster, flow: Flow, turn: str) -> float:
    """Stop whoever has this turn until others have buried it, then let it go on; seconds until all flowed again."""
    node = await made.holder(turn)
    lives, buried = len(node.logged("relay.started")), _buried(made, node.name)
    node.pause()
    await eventually(lambda: _buried(made, node.name) > buried, what="it is buried")
    await made.holder(turn, but=node)
    took = await flow.recovered()
    node.resume()
    await eventually(lambda: len(node.logged("relay.started")) > lives, what="it begins a new life")
    return took


def _buried(made: Cluster, name: str) -> int:
    return sum(name in line["nodes"] for line in made.logged("node.buried"))


async def _read_again(made: Cluster) -> float:
    """Kill whoever reads the inbox; seconds until another node reads it."""
    victim = await made.holder("line:alerts")
    others = [node for node in made.nodes if node is not victim]
    before = {node.name: len(node.logged("inbox.read")) for node in others}
    await victim.kill()
    began = time.monotonic()
    await eventually(
        lambda: any(len(node.logged("inbox.read")) > before[node.name] for node in others),
        within=FAIL_OVER,
        what="another node reads the inbox",
    )
    took = time.monotonic() - began
    await victim.start()
    return took


async def _answered_again(made: Cluster) -> float:
    """Kill whoever hears the commands, and publish one; seconds until it is answered."""
    victim = await made.holder("bus")
    await victim.kill()
    began = time.monotonic()
    await made.publish("relay/line/alerts/send", {"id": "orphan", "to": ["+13125550001"], "text": "orphan"})
    async with asyncio.timeout(FAIL_OVER):
        await made.ears.result("orphan")
    took = time.monotonic() - began
    await victim.start()
    return took


async def _judged(flow: Flow, found: Found, fault: str, times: int, longest: float | None, more: str = "") -> int:
    """Wait until all has ended, and put it into the table; how many copies are uncertain."""
    findings = await flow.settled()
    await flow.aclose()
    note = "; ".join(filter(None, (more, flow.said(findings))))
    found(Row("N3", fault, times, findings.lost, findings.twice, longest, note))
    assert findings.is_clean, findings
    return findings.uncertain
