"""The disk under the journal runs full, is freed, turns read-only, or belongs to somebody else.

The journal lies on a real file system of a few MB, which only relay sees; it is filled from outside, by a file.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.battery.table import Row
from tests.battery.traffic import ALL_LINES, Traffic
from tests.smalldisk import SmallDisk, small_disk
from tests.system.world import RelayProcess, World, world

SEED = 6
SPEED = 100
RECOVERED_WITHIN = 5.0  # real seconds
pytestmark = pytest.mark.timeout(600)


def relay_on(disk: SmallDisk, *user: str) -> type[RelayProcess]:
    """Relay with its journal on this disk."""
    place = {"RELAY_JOURNAL__URL": f"sqlite:///{disk.path}/relay.db", "RELAY_JOURNAL__BALLAST": "1 MiB"}

    class OnTheDisk(RelayProcess):
        """Sees the disk."""

        before = (*disk.inside(*user),)
        environment = place

    return OnTheDisk


@asynccontextmanager
async def flowing(disk: SmallDisk, folder: Path, free_port: Callable[[], int]) -> AsyncIterator[tuple[World, Traffic]]:
    """A world in which everything flows."""
    async with world(folder, free_port, speed=SPEED, lines=ALL_LINES, relay=relay_on(disk)) as made:
        traffic = Traffic(made, random.Random(SEED))  # noqa: S311 - a failure must repeat
        await made.relay.start()
        await traffic.prepare()
        await traffic.round()
        yield made, traffic


def node(made: World) -> dict[str, Any]:
    """What the node last said of itself."""
    said = [body for topic, body in made.ears.heard if topic == "relay/node/relay-1/status"]
    return said[-1]


async def is_full(made: World) -> None:
    """Wait until relay says that it takes nothing new, and why."""
    await made.ears.until(
        lambda: node(made)["state"] == "degraded" and "nothing new is taken" in (node(made)["reason"] or ""),
        within=20,
        what="the node says that its disk is full",
    )


async def takes_again(made: World) -> None:
    """Wait until it takes new things."""
    await made.ears.until(
        lambda: "nothing new" not in (node(made)["reason"] or ""), within=20, what="the node takes new things again"
    )


async def under_way(made: World, number: int) -> None:
    """A page is being fetched that AT&T has deleted, and a call being answered that AT&T has taken."""
    for operation in ("inbox", "send"):
        match = {"service": "att-sms", "operation": operation}
        made.att.world.faults.add({"match": match, "do": "delay", "processed": True, "seconds": 1.2, "real": True})
    made.text_in("+12065550177", "12345", f"page {number}")
    sent = {"id": f"call-{number}", "to": "+12065550151", "text": f"call {number}"}
    await made.publish("relay/line/alerts/send", sent)
    await made.until_att(lambda: made.accepted(f"call {number}"))
    await made.until_att(lambda: f"page {number}" in [line["text"] for line in made.ledger("handed-out")])


async def known_all_the_same(made: World, number: int) -> None:
    """Wait until what was under way is told, while the disk is full."""
    page = f"page {number}"
    await made.ears.until(
        lambda: page in [event["data"]["text"] for event in made.ears.events("message")], within=20, what="the page"
    )
    answer = await made.ears.result(f"call-{number}")
    await made.ears.until(
        lambda: "submitted" in [receipt["status"] for receipt in made.ears.receipts(answer["message_id"])],
        within=20,
        what="the call's outcome",
    )
    assert node(made)["state"] == "degraded"


async def hooks_refused(made: World, number: int) -> None:
    """Wait until a web hook was answered 503."""
    before = len(refusals(made))
    made.text_in("+12065550199", "+12065550100", f"hook {number}")
    await made.until_att(lambda: len(refusals(made)) > before, within=20)


def refusals(made: World) -> list[dict[str, Any]]:
    """The web hooks that relay answered 503."""
    return [line for line in made.ledger("hook") if line["result"] == 503]


async def falls_and_starts_again(made: World, disk: SmallDisk) -> None:
    """On a disk on which not even the ballast's room is left."""
    await made.relay.kill()
    await made.ears.until(lambda: node(made)["state"] == "offline", what="the broker says that the node is gone")
    await asyncio.to_thread(disk.fill)
    await made.relay.start()
    await is_full(made)


async def answered(made: World, request_id: str) -> None:
    """Wait until a request has its answer."""
    await made.ears.result(request_id)


async def test_a_full_disk_refuses_what_is_new_keeps_what_is_known_and_goes_on_once_there_is_room(
    tmp_path: Path, free_port: Callable[[], int], long: bool, found: Callable[[Row], None]
) -> None:
    """Filled in the middle of traffic, several times: hooks are answered 503, commands stay at the broker."""
    rounds, recovered = (30, 0.0) if long else (2, 0.0)
    async with (
        small_disk(tmp_path / "disk", "12m") as disk,
        flowing(disk, tmp_path, free_port) as (made, traffic),
    ):
        for number in range(rounds):
            await under_way(made, number)
            flow = asyncio.create_task(traffic.round())
            await asyncio.to_thread(disk.fill)
            await is_full(made)
            await flow
            await known_all_the_same(made, number)
            await hooks_refused(made, number)
            last = {"id": f"last-{number}", "to": "+12065550150", "text": f"last {number}"}
            await made.publish("relay/line/office/send", last)
            await made.relay.lives_for(0.3)
            assert not [each for each in made.ears.events("result") if each["data"]["request_id"] == last["id"]]
            if number % 2:
                await falls_and_starts_again(made, disk)
            began = time.monotonic()
            disk.free()
            await takes_again(made)
            await answered(made, str(last["id"]))
            recovered = max(recovered, time.monotonic() - began)
        traffic.requests += 2 * rounds
        findings = await traffic.settled()
        log = [
            made.relay.logged(event) for event in ("journal.full", "journal.takes_again", "stage.failed", "bus.left")
        ]

    assert findings.is_clean, findings
    assert findings.told_losses == 0
    falls = rounds // 2
    full, again, failed, left = map(len, log)
    assert (full, again, failed) == (rounds + falls, rounds, 0)
    assert rounds <= left <= rounds + falls  # who starts on a full disk may not have heard anything to leave
    assert recovered < RECOVERED_WITHIN
    note = f"{traffic.requests} requests, {traffic.texts_in} texts in: {findings}"
    found(Row("P6", "disk full, and freed", rounds, findings.lost, findings.twice, recovered, note))


async def test_files_that_cannot_be_written_for_a_while_lose_nothing(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """What is known stays in memory, and is written as soon as that can be: no ballast helps here."""
    async with (
        small_disk(tmp_path / "disk", "24m", image=tmp_path / "image") as disk,
        flowing(disk, tmp_path, free_port) as (made, traffic),
    ):
        await under_way(made, 0)
        await disk.freeze(frozen=True)
        await traffic.round()
        await is_full(made)
        await hooks_refused(made, 0)
        await made.relay.lives_for(2.0)  # longer than the answers that were under way
        assert "page 0" not in [event["data"]["text"] for event in made.ears.events("message")]
        began = time.monotonic()
        await disk.freeze(frozen=False)
        await takes_again(made)
        recovered = time.monotonic() - began
        await known_in_the_end(made)
        traffic.requests += 1
        findings = await traffic.settled()
        log = [len(made.relay.logged(event)) for event in ("journal.full", "journal.takes_again", "stage.failed")]

    assert findings.is_clean, findings
    assert (findings.told_losses, findings.uncertain) == (0, 0)
    assert log == [1, 1, 0]
    assert recovered < RECOVERED_WITHIN
    found(Row("P7", "the journal cannot be written for a while", 1, findings.lost, findings.twice, recovered))


async def known_in_the_end(made: World) -> None:
    """Wait until what was under way is told."""
    await made.ears.until(
        lambda: "page 0" in [event["data"]["text"] for event in made.ears.events("message")], within=20, what="the page"
    )


async def test_a_disk_that_turns_read_only_under_relay_loses_nothing(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """As a kernel does after an error: relay lives on and takes nothing; repaired, and started again, it goes on.

    Nothing is under way as it turns: in that moment a kernel may say of a sync that it was done, and drop it
    (docs/trouble.md), and then nobody can tell what is to be found afterwards.
    """
    async with (
        small_disk(tmp_path / "disk", "24m", image=tmp_path / "image") as disk,
        flowing(disk, tmp_path, free_port) as (made, traffic),
    ):
        await traffic.settled()
        await disk.err()
        await traffic.round()
        await is_full(made)
        await hooks_refused(made, 0)
        assert await made.relay.stop() == 0
        await disk.repair()
        began = time.monotonic()
        await made.relay.start()
        await takes_again(made)
        recovered = time.monotonic() - began
        findings = await traffic.settled()
        log = [len(made.relay.logged(event)) for event in ("journal.full", "stage.failed")]

    assert findings.is_clean, findings
    assert log == [1, 0]
    note = f"repaired and started again: {findings}"
    found(Row("P7", "the disk turns read-only under relay", 1, findings.lost, findings.twice, recovered, note))


async def refuses_to_start(made: World) -> str:
    """What relay says as it ends."""
    before = made.relay.log_path.read_text() if made.relay.log_path.exists() else ""
    await made.relay.launch()
    async with asyncio.timeout(20):
        assert await made.relay.process.wait() == 1
    said = made.relay.log_path.read_text().removeprefix(before)
    assert "Traceback" not in said
    [sentence] = said.splitlines()
    return sentence


async def test_a_disk_that_cannot_be_written_at_the_start_is_told_in_one_sentence(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """Read-only, or a directory of somebody else's; it starts once that is mended."""
    async with small_disk(tmp_path / "disk", "6m") as disk:
        # Without root's rights, which stop at nothing.
        runs = relay_on(disk, "setpriv", "--bounding-set=-all")
        async with world(tmp_path, free_port, speed=SPEED, relay=runs) as made:
            await disk.remount("ro")
            assert "its file system is read-only; mount it for writing" in await refuses_to_start(made)
            await disk.remount("rw")
            disk.outside.chmod(0o555)
            assert "give its file and directory to relay's user" in await refuses_to_start(made)
            disk.outside.chmod(0o755)
            began = time.monotonic()
            await made.relay.start()
            recovered = time.monotonic() - began
    found(Row("P7", "read-only, or of a wrong owner, at the start", 2, 0, 0, recovered, "one sentence, exit 1"))
