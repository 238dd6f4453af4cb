"""PostgreSQL and the broker go away while everything flows, for all nodes or for one: nothing is lost or doubled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.battery.table import Row
from tests.nodes.cluster import Cluster, cluster, lasting
from tests.nodes.flow import Flow
from tests.postgres import Server
from tests.standby import Standby, keep_pace

Found = Callable[[Row], None]
LEASE = 3.0  # seconds
AWAY = LEASE + 2.0
OFTEN = 15  # times each, in the long form


@pytest.mark.timeout(3600)  # its own waits are bounded; the long form has many
async def test_postgresql_may_go_away_and_come_back(
    tmp_path: Path, free_port: Callable[[], int], server: Server, found: Found, *, long: bool
) -> None:
    """Restarted, crashed, standing still past a lease, or cutting its clients: nodes wait, and go on by themselves."""
    faults: dict[str, Callable[[], Awaitable[None]]] = {
        "PostgreSQL restarted": partial(asyncio.to_thread, server.restart),
        "PostgreSQL crashed, and started again": partial(asyncio.to_thread, server.restart, "immediate"),
        "PostgreSQL stood still for longer than a lease": partial(_stood_still, server),
        "every connection to PostgreSQL cut": partial(asyncio.to_thread, server.cut, "relay"),
        "PostgreSQL away for longer than a lease": partial(_away, server),
    }
    async with _busy(tmp_path, free_port, server) as (made, flow):
        took = await _suffered(flow, faults, OFTEN if long else 1)
        await _judged(made, flow, found, took)


async def test_a_standby_may_take_over(
    tmp_path: Path, free_port: Callable[[], int], server: Server, found: Found
) -> None:
    """The primary is killed and its synchronous standby promoted: nodes find it by themselves."""
    with Standby(server) as standby:
        keep_pace(server, synchronous=True)
        async with _busy(tmp_path, free_port, server, standby) as (made, flow):
            took = await _suffered(
                flow, {"PostgreSQL failed over to a standby": partial(_failed_over, server, standby)}
            )
            await _judged(made, flow, found, took)


@pytest.mark.timeout(3600)  # its own waits are bounded; the long form has many
async def test_the_broker_may_restart(
    tmp_path: Path, free_port: Callable[[], int], server: Server, found: Found, *, long: bool
) -> None:
    """Commands that it has taken are answered, and what happened meanwhile is told."""
    async with _busy(tmp_path, free_port, server) as (made, flow):
        took = await _suffered(flow, {"the broker restarted": partial(_broker_restarted, made)}, OFTEN if long else 1)
        await _judged(made, flow, found, took)


@pytest.mark.timeout(3600)  # its own waits are bounded; the long form has many
async def test_one_node_may_be_cut_off(
    tmp_path: Path, free_port: Callable[[], int], server: Server, found: Found, *, long: bool
) -> None:
    """From PostgreSQL alone, or from the broker alone, refused or unheard: the others have its turns meanwhile."""
    async with _busy(tmp_path, free_port, server, wired=True) as (made, flow):
        faults = {
            f"a node {how} from {whom}": partial(_cut_off, made, flow, turn, whom, how)
            for whom, turn in (("PostgreSQL", "line:alerts"), ("the broker", "bus"))
            for how in (("cut off", "unheard") if long else ("cut off",))
        }
        took = await _suffered(flow, faults, OFTEN if long else 1)
        await _judged(made, flow, found, took, may_bury=True)


@asynccontextmanager
async def _busy(
    directory: Path, free_port: Callable[[], int], server: Server, *others: Server, **more: Any
) -> AsyncIterator[tuple[Cluster, Flow]]:
    """Three nodes that run and are busy; the database is theirs to make."""
    url = await asyncio.to_thread(server.create_database, "relay")
    if others:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in (server, *others))
        url = f"postgresql://relay@{hosts}/relay?target_session_attrs=read-write"
    async with cluster(directory, free_port, url, lease=LEASE, **more) as made:
        flow = Flow(made)
        await made.start()
        await flow.prepare()
        await flow.recovered()
        yield made, flow


async def _suffered(
    flow: Flow, faults: Mapping[str, Callable[[], Awaitable[None]]], times: int = 1
) -> dict[str, tuple[int, float]]:
    """Each fault so many times while everything flows; how often, and the longest time until it flowed again."""
    took: dict[str, tuple[int, float]] = {}
    async with flow.running():
        for _ in range(times):
            for name, fault in faults.items():
                await fault()
                before, longest = took.get(name, (0, 0.0))
                took[name] = before + 1, max(longest, await flow.recovered())
    return took


async def _judged(
    made: Cluster, flow: Flow, found: Found, took: dict[str, tuple[int, float]], *, may_bury: bool = False
) -> None:
    """Wait until all has ended, and put it into the table."""
    findings = await flow.settled()
    await flow.aclose()
    for fault, (times, longest) in took.items():
        found(Row("N4", fault, times, findings.lost, findings.twice, longest, flow.said(findings)))
    assert findings.is_clean, findings
    assert may_bury or not made.logged("node.buried")
    assert not made.logged("stage.failed")
    assert "503" not in made.hook_answers(), made.hook_answers()
    await made.stop()


async def _stood_still(server: Server) -> None:
    server.pause()
    await lasting(AWAY)
    server.resume()


async def _away(server: Server) -> None:
    await asyncio.to_thread(server.stop)
    await lasting(AWAY)
    await asyncio.to_thread(server.start)


async def _failed_over(primary: Server, standby: Standby) -> None:
    await asyncio.to_thread(primary.kill)
    await asyncio.to_thread(standby.promote)


async def _broker_restarted(made: Cluster) -> None:
    await made.broker.stop()
    await made.broker.start()


async def _cut_off(made: Cluster, flow: Flow, turn: str, whom: str, how: str) -> None:
    """Cut whoever has this turn off, see that others have it, and let it be heard again."""
    node = await made.holder(turn)
    wire = node.to_database if whom == "PostgreSQL" else node.to_broker
    if how == "cut off":
        wire.cut()
    else:
        wire.hold()
    if whom == "PostgreSQL":
        # Web hooks that reach it are kept in its spool meanwhile, and are told afterwards.
        await made.holder(turn, but=node)
        await node.lives_for(AWAY)
    else:
        await flow.recovered()
    await wire.mend()
