"""Too few descriptors, and a queue as long as it may get: relay goes on, and serves who is to be served."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.battery.table import Row
from tests.system.ledgers import compare
from tests.system.world import LINES, ROOT, RelayProcess, World, world

DESCRIPTORS = 64
CONNECTIONS = 200
MODES = {"handset": {"fates": False}}
WITHIN = 60.0
MOST_MEMORY = 250.0  # MB
OLD = ROOT / "tests" / "data" / "journal-0003.sql"
SHOP = "01a1fd55-7a80-7014-a992-29f706839eb9"  # a call of it that waits
PACED = LINES.replace("short_code", "calls_per_second = 10\nshort_code")


class StarvedRelay(RelayProcess):
    """A relay that may open few files and sockets."""

    before = ("/bin/sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh")


@pytest.mark.timeout(300)
async def test_a_listener_without_descriptors_serves_again_as_soon_as_there_are_some(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """Two hundred callers hold all descriptors: nothing falls, and the journal and the good caller are fine after."""
    async with world(tmp_path, free_port, lines=LINES, relay=StarvedRelay, modes=MODES) as made:
        await made.relay.start()
        await made.listening()
        await made.until_att(lambda: any(line["event"] == "receive" for line in made.ledger("hook-added")))
        host, port = made.hooks.removeprefix("http://").split(":")
        async with contextlib.AsyncExitStack() as held:
            for _ in range(CONNECTIONS):
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(1):
                        _, writer = await asyncio.open_connection(host, int(port))
                    held.callback(writer.close)
            await made.publish("relay/line/alerts/send", {"id": "s", "to": "+13125550001", "text": "in the dearth"})
            await made.ears.result("s")
            made.text_in("+12065550101", "+12065550100", "hook in the dearth")
            await made.relay.lives_for(2.0)
        began = asyncio.get_running_loop().time()
        made.text_in("+12065550102", "+12065550100", "hook afterwards")
        await made.ears.until(lambda: len(made.ears.events("message")) >= 2, within=WITHIN, what="both are heard")
        recovered = asyncio.get_running_loop().time() - began
        await made.ears.until(lambda: compare(made).lost == 0, within=WITHIN, what="everything has ended")
        findings = compare(made)
        assert await made.relay.stop() == 0
        warned = [line["event"] for line in _lines(made) if line["level"] not in {"debug", "info"}]

    assert findings.is_clean, findings
    assert sorted(warned) in (["listener.crowded"], ["listener.crowded", "listener.exhausted"])
    note = f"{CONNECTIONS} connections at once: {findings}"
    found(
        Row(
            "P13",
            f"no descriptors left (RLIMIT_NOFILE={DESCRIPTORS})",
            1,
            findings.lost,
            findings.twice,
            recovered,
            note,
        )
    )


@pytest.mark.timeout(1800)
async def test_a_long_queue_keeps_neither_a_start_nor_an_urgent_text(
    tmp_path: Path, free_port: Callable[[], int], long: bool, found: Callable[[Row], None]
) -> None:
    """All of it is due at the start, at ten calls a second: what is urgent goes at once, and memory stays as it is."""
    count = 1_000_000 if long else 20_000
    async with world(tmp_path, free_port, lines=PACED, speed=1, modes=MODES) as made:
        await asyncio.to_thread(_queue, tmp_path / "relay.db", count)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await made.relay.start()
        ready = loop.time() - began
        await made.listening()
        began = loop.time()
        urgent = {"id": "urgent", "to": "+13125550001", "text": "urgent", "priority": "high"}
        await made.publish("relay/line/alerts/send", urgent)
        await made.until_att(lambda: made.accepted("urgent"), within=WITHIN)
        waited = loop.time() - began
        before = len(made.accepted()) - 1
        memory = await asyncio.to_thread(_memory, made.relay.process.pid)

    assert before < count / 10
    assert memory < MOST_MEMORY
    note = f"{count} waiting: READY in {ready:.1f} s, urgent text in {waited:.1f} s, {memory:.0f} MB"
    found(Row("P10", "a long queue at the start", 1, 0, 0, ready, note))


def _queue(path: Path, count: int) -> None:
    """The older journal, with one of its requests so many times over: each to another number."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(OLD.read_text())
        for table, ids in (
            ("message", ("id",)),
            ("call", ("id", "message_id")),
            ("copy", ("id", "message_id", "call_id")),
        ):
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            made = {name: f"{name} || '-' || n" for name in ids}
            number = "'+1312' || (2000000 + n)"
            made |= {
                "address": number,
                "address_raw": number,
                "request_id": "'r-' || n",
                "company": "NULL",
                "lane": "2",
            }
            values = ", ".join(made.get(name, f'"{name}"') for name in names)
            columns = ", ".join(f'"{name}"' for name in names)
            whose = (
                "request_id = 'shop'" if table == "message" else f"{'id' if table == 'call' else 'call_id'} = '{SHOP}'"
            )
            connection.execute(
                f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"  # noqa: S608 - the tables' own names
                f" INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, numbers WHERE {whose}"
            )


def _memory(process: int) -> float:
    """What a process has in memory, in MB."""
    [line] = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def _lines(made: World) -> list[dict[str, Any]]:
    return [json.loads(line) for line in made.relay.log_path.read_text().splitlines() if line.startswith("{")]
