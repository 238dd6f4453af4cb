"""Accepted means on disk: the order of relay's system calls shows it, for each answer that is a promise."""

import asyncio
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests import forks
from tests.battery.ordering import LOG, Answers, Call, command, judge, read
from tests.battery.table import Row
from tests.system.world import LINES, RelayProcess, World, world

COMMANDS, HOOKS, SHELLS = 60, 30, 2
MANY = 15
TO = "+13125550001"
WITHIN = 120.0
_ENDED = re.compile(rb"\+\+\+ (exited|killed)[^+]*\+\+\+\n$")


class TracedRelay(RelayProcess):
    """A relay whose system calls are written down."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        program = shutil.which("strace")
        assert program is not None, "strace is missing: run scripts/tools"
        self.trace = directory / "trace"
        self.before = command(program, self.trace)

    async def traced(self) -> Sequence[str]:
        """Its trace, once it has ended."""
        async with asyncio.timeout(WITHIN):
            while not _ENDED.search(_tail(self.trace)):  # noqa: ASYNC110 - strace tells nobody
                await asyncio.sleep(0)
        return self.trace.read_text().splitlines()


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 200, 0))
        return file.read()


@pytest.mark.timeout(1800)
async def test_what_is_acknowledged_was_synced_before(
    tmp_path: Path, free_port: Callable[[], int], long: bool, found: Callable[[Row], None]
) -> None:
    """Every PUBACK, every 2xx to a web hook, every answer to `relay send`; and a trace without a sync is caught."""
    times = MANY if long else 1
    async with world(tmp_path, free_port, lines=LINES, relay=TracedRelay, modes=MODES) as made:
        await made.relay.start()
        await made.listening()
        await made.until_att(lambda: any(line["event"] == "receive" for line in made.ledger("hook-added")))
        async with asyncio.TaskGroup() as acting:
            acting.create_task(_commands(made, COMMANDS * times))
            acting.create_task(_hooks(made, HOOKS * times))
            acting.create_task(_shells(made, SHELLS * times))
        assert await made.relay.stop() == 0
        assert isinstance(made.relay, TracedRelay)
        calls = read(await made.relay.traced())

    answers = judge(calls)
    assert answers == Answers(COMMANDS * times, HOOKS * times, SHELLS * times, [])
    unsynced = judge([call for call in calls if not call.name.endswith("sync")])
    assert len(unsynced.early) == answers.pubacks + answers.hooks + answers.controls
    told = f"{answers.pubacks} PUBACKs, {answers.hooks} 2xx, {answers.controls} answers to relay send"
    count = answers.pubacks + answers.hooks + answers.controls
    found(Row("P3", "synced before acknowledged", count, len(answers.early), 0, None, told))


MODES = {"handset": {"fates": False}}


async def _commands(made: World, count: int) -> None:
    for place in range(count):
        request = {"id": f"cmd-{place}", "to": TO, "text": f"mark-cmd-{place}."}
        await made.publish("relay/line/alerts/send", request)
    await made.ears.until(lambda: len(made.ears.events("result")) >= count, within=WITHIN, what="all are answered")


async def _hooks(made: World, count: int) -> None:
    for place in range(count):
        made.text_in("+12065550101", "+12065550100", f"mark-hook-{place}.")
    await made.ears.until(lambda: len(made.ears.events("message")) >= count, within=WITHIN, what="all are heard")


async def _shells(made: World, count: int) -> None:
    for place in range(count):
        request = {"id": f"ctl-{place}", "to": TO, "text": f"mark-ctl-{place}."}
        words = ("-m", "relay", "send", "alerts", "--socket", str(made.relay.directory / "relay.sock"))
        asking = await forks.start(*words, stdin=forks.PIPE)
        await asking.communicate(json.dumps(request).encode())
        assert asking.returncode == 0


RECEIVED = Call("recvfrom", "socket:[1]", b"\x32\x14\x00\x03a/b\x00\x07" + b'"mark-cmd-1."', 0, 1)
WRITTEN = Call("pwrite64", f"/var/{LOG}", b"...mark-cmd-1....", 2, 3)
SYNCED = Call("fdatasync", f"/var/{LOG}", b"", 4, 7)
ANSWERED = Call("sendto", "socket:[1]", b"\x40\x02\x00\x07", 8, 8)


def test_a_puback_after_the_sync_of_what_was_written_is_right() -> None:
    """Received, written, synced, answered."""
    assert judge([RECEIVED, WRITTEN, SYNCED, ANSWERED]) == Answers(1, 0, 0, [])


@pytest.mark.parametrize(
    "calls",
    [
        [RECEIVED, WRITTEN, ANSWERED],
        [RECEIVED, SYNCED, ANSWERED],
        [RECEIVED, WRITTEN, Call("sendto", "socket:[1]", b"\x40\x02\x00\x07", 6, 6), SYNCED],
        [RECEIVED, Call("pwrite64", f"/var/{LOG}", b"mark-cmd-1.", 2, 5), SYNCED, ANSWERED],
        [RECEIVED, WRITTEN, Call("fdatasync", "/var/other", b"", 4, 7), ANSWERED],
        [RECEIVED, Call("pwrite64", f"/var/{LOG}", b"mark-cmd-2.", 2, 3), SYNCED, ANSWERED],
    ],
    ids=["no sync", "nothing written", "still syncing", "still writing", "another file", "another command"],
)
def test_a_puback_that_comes_too_early_is_found(calls: Sequence[Call]) -> None:
    """However the order is broken."""
    assert judge(calls).early == ["PUBACK of mark-cmd-1."]


def test_a_hook_and_a_command_line_are_judged_alike() -> None:
    """Their 2xx and their answer."""
    asked = Call("recvfrom", "socket:[2]", b"POST /hooks/office/s/receive HTTP/1.1\r\n\r\nmark-hook-1.", 0, 0)
    written = Call("pwrite64", LOG, b"mark-hook-1.", 1, 1)
    synced = Call("fdatasync", LOG, b"", 2, 2)
    answered = Call("sendto", "socket:[2]", b"HTTP/1.1 200 OK\r\n\r\n", 3, 3)
    assert judge([asked, written, synced, answered]) == Answers(0, 1, 0, [])
    assert judge([asked, written, answered]).early == ["2xx of mark-hook-1."]


def test_hooks_that_come_together_are_judged_one_by_one() -> None:
    """What is received on one connection says nothing about another one's answer."""
    asked, written, synced, answered = (
        Call("recvfrom", "socket:[2]", b"POST /hooks/office/s/receive HTTP/1.1\r\n\r\nmark-hook-1.", 0, 0),
        Call("pwrite64", LOG, b"mark-hook-1.", 1, 1),
        Call("fdatasync", LOG, b"", 3, 3),
        Call("sendto", "socket:[2]", b"HTTP/1.1 200 OK\r\n\r\n", 4, 4),
    )
    other = Call("recvfrom", "socket:[3]", b"POST /hooks/office/s/receive HTTP/1.1\r\n\r\nmark-hook-2.", 2, 2)
    early = Call("sendto", "socket:[3]", b"HTTP/1.1 200 OK\r\n\r\n", 5, 5)
    assert judge([asked, written, other, synced, answered, early]) == Answers(0, 2, 0, ["2xx of mark-hook-2."])


def test_calls_of_many_threads_are_put_together() -> None:
    """A call that another thread interrupts is told in two lines."""
    hexed = "".join(f"\\x{byte:02x}" for byte in b"/v/relay.db-wal")
    data = "".join(f"\\x{byte:02x}" for byte in b"abc")
    lines = [
        f'11 pwrite64(5<{hexed}>, "{data}", 3, 0 <unfinished ...>',
        "12 fdatasync(6<socket:[9]>) = 0",
        "11 <... pwrite64 resumed>) = 3",
        "11 fdatasync(5<x>) = -1 EIO (Input/output error)",
        "11 +++ exited with 0 +++",
    ]
    first, second = read(lines)
    assert (first.name, first.what, first.began, first.ended) == ("fdatasync", "socket:[9]", 1, 1)
    assert (second.what, second.data, second.began, second.ended) == ("/v/relay.db-wal", b"abc", 0, 2)
