"""The folder: what waits in the spool goes into the journal in order and once, and is read as any other hook."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.domain.messages import RawAnswer
from relay.journal import HookDelivery, JournalUnusable, Spool
from relay.stagekit import Rest
from relay.stages.folder import BATCH, Folder
from relay.stages.receiver import Receiver
from tests import forks, fulldisks
from tests.unit.journal.spooling import MUCH, harm, hook
from tests.unit.stages.house import GRACE, OFFICE, House, until_rest

PROGRAM = Path(__file__).with_name("fold_process.py")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool is."""
    return tmp_path / "spool.db"


@pytest.fixture
async def spool(path: Path) -> AsyncIterator[Spool]:
    """An empty spool."""
    async with await Spool.open(path, MUCH) as opened:
        yield opened


def text(number: int) -> RawAnswer:
    """A text that somebody sent to the office."""
    said = {"id": number, "messageType": "MO", "finalSource": "2065550002", "body": f"text {number}"}
    return RawAnswer(json.dumps(said).encode(), "application/json")


async def fill(spool: Spool, hooks: int) -> None:
    """So many texts came."""
    await asyncio.gather(*(spool.keep(hook(text(number).body)) for number in range(hooks)))


def nobody() -> None:
    """Is told."""


async def texts(house: House) -> list[str]:
    """What was announced, in its order."""
    return [str(body["text"]) for body in await house.bodies("message")]


async def test_what_waits_is_folded_in_and_read_in_the_order_in_which_it_came(
    house: House, spool: Spool, logs: list[MutableMapping[str, Any]]
) -> None:
    """All of it, a few at a time, and it is said once."""
    many = 2 * BATCH + 50
    await fill(spool, many)
    since = spool.since
    receiver = Receiver({OFFICE: house.landline()}, house.ground, spool)
    folder = Folder(spool, house.ground, receiver.look_again)
    await until_rest(folder)
    await until_rest(receiver)
    assert spool.waiting == 0
    assert await texts(house) == [f"text {number}" for number in range(many)]
    assert since is not None
    folded = [line for line in logs if line["event"] == "spool.folded"]
    assert folded == [{"event": "spool.folded", "log_level": "info", "hooks": many, "since": since.isoformat()}]


async def test_an_empty_spool_is_rested_at_until_a_hook_comes(house: House, spool: Spool) -> None:
    """Nothing is looked at in between."""
    folder = Folder(spool, house.ground, nobody)
    rest = await folder.step()
    assert rest is not None
    assert rest.seconds is None
    resting = asyncio.create_task(rest.over(house.clock))
    await house.clock.advance(86_400)
    assert not resting.done()
    await spool.keep(hook())
    await asyncio.wait_for(resting, GRACE)
    assert await folder.step() is None


async def test_nothing_is_folded_in_while_the_journal_takes_nothing(house: House, spool: Spool) -> None:
    """The rest ends when it takes things again."""
    folder = Folder(spool, house.ground, nobody)
    await fulldisks.shut(house.journal)
    await fill(spool, 3)
    rest = await folder.step()
    assert rest is not None
    resting = asyncio.create_task(rest.over(house.clock))
    await house.clock.advance(86_400)
    assert (resting.done(), spool.waiting) == (False, 3)
    await fulldisks.opened(house.journal)
    await asyncio.wait_for(resting, GRACE)
    await until_rest(folder)
    assert (spool.waiting, await house.unread()) == (0, 3)


async def test_a_hook_that_came_before_a_repetition_is_recognised(house: House, spool: Spool) -> None:
    """AT&T delivers again what it believes unanswered; it finds the first one as if there had been no spool."""
    receiver = Receiver({OFFICE: house.landline()}, house.ground, spool)
    folder = Folder(spool, house.ground, receiver.look_again)
    await fulldisks.shut(house.journal)
    for _ in range(2):
        await receiver.take(OFFICE, "receive", text(1))
    await fulldisks.opened(house.journal)
    await receiver.take(OFFICE, "receive", text(1))
    await until_rest(folder)
    await receiver.take(OFFICE, "receive", text(1))
    await until_rest(receiver)
    assert (await texts(house), await house.unread()) == (["text 1"], 0)


async def test_two_equal_texts_of_a_short_code_stay_two(house: House, spool: Spool) -> None:
    """Its callbacks have no id: what tells them apart is their time, and where there is none, nothing is dropped."""
    receiver = Receiver({"alerts": house.sms(receive="callback")}, house.ground, spool)
    folder = Folder(spool, house.ground, receiver.look_again)
    said = {"SenderAddress": "tel:+12065550002", "DestinationAddress": "12345", "MessageId": "", "Message": "Yes"}
    await fulldisks.shut(house.journal)
    timed = [{**said, "DateTime": f"2026-11-21T09:00:0{second}Z"} for second in (1, 2, 2)]
    for one in (*timed, said, said):
        await receiver.take("alerts", "message", RawAnswer(json.dumps(one).encode(), "application/json"))
    await fulldisks.opened(house.journal)
    await until_rest(folder)
    await until_rest(receiver)
    # Of the three with a time, one is the provider's repetition.
    assert await texts(house) == ["Yes"] * 4


async def test_it_has_the_time_at_which_it_came(house: House, spool: Spool) -> None:
    """However long the journal was away."""
    one = HookDelivery("1", OFFICE, "receive", text(1), house.clock.now())
    await spool.keep(one)
    await house.clock.advance(7200)
    await until_rest(Folder(spool, house.ground, nobody))
    [kept] = await house.journal.raw.unread(OFFICE)
    assert (kept.received_at, kept.raw, kept.event) == (one.received_at, one.raw, "receive")


async def test_a_damaged_row_is_set_aside_and_told(house: House, path: Path) -> None:
    """Nobody reads it as if it were whole; the others are not held up."""
    async with await Spool.open(path, MUCH) as spool:
        await fill(spool, 3)
    bent = """'{"id": 9, "messageType": "MO"}'"""
    harm(path, f"UPDATE hook SET body = CAST({bent} AS BLOB) WHERE id = (SELECT min(id) FROM hook)")  # noqa: S608 - ours
    async with await Spool.open(path, MUCH) as spool:
        receiver = Receiver({OFFICE: house.landline()}, house.ground, spool)
        await until_rest(Folder(spool, house.ground, receiver.look_again))
        await until_rest(receiver)
    [dead] = await house.bodies("dead")
    assert (dead["what"], dead["why"]) == ("hook", "the spool's row is damaged")
    assert await texts(house) == ["text 1", "text 2"]
    assert spool.waiting == 0


async def test_what_may_have_been_folded_in_days_ago_is_for_a_person(house: House, spool: Spool) -> None:
    """Nothing would recognise it any more; what is surely new is folded in, however old it is."""
    now = house.clock.now()
    old = [
        HookDelivery(str(place), OFFICE, "receive", text(place), now - timedelta(days=5), in_doubt=place == 1)
        for place in range(2)
    ]
    for one in old:
        await spool.keep(one)
    await until_rest(Folder(spool, house.ground, nobody))
    [dead] = await house.bodies("dead")
    assert dead["what"] == "hook"
    assert [kept.raw for kept in await house.journal.raw.unread(OFFICE)] == [text(0)]


async def test_a_journal_that_fails_leaves_everything_in_the_spool(house: House, spool: Spool) -> None:
    """And it is folded in when it works, once."""
    receiver = Receiver({OFFICE: house.landline()}, house.ground, spool)
    folder = Folder(spool, house.ground, receiver.look_again)
    await fill(spool, 3)
    with house.broken("raw"), pytest.raises(JournalUnusable):
        await folder.step()
    assert spool.waiting == 3
    assert spool.may_take.is_set()
    async with asyncio.timeout(GRACE):
        while house.journal.shut is not None:
            await house.journal.shut.over.wait()
    await until_rest(folder)
    await until_rest(receiver)
    assert await texts(house) == ["text 0", "text 1", "text 2"]


async def test_hooks_that_keep_coming_do_not_keep_it_from_ending(house: House, spool: Spool) -> None:
    """While the last of it is folded in, they wait for that."""
    receiver = Receiver({OFFICE: house.landline()}, house.ground, spool)
    folder = Folder(spool, house.ground, receiver.look_again)
    await fill(spool, BATCH + 50)
    numbers = iter(range(BATCH + 50, 100_000))
    over = asyncio.Event()

    async def come() -> None:
        while not over.is_set():
            await receiver.take(OFFICE, "receive", text(next(numbers)))

    coming = [asyncio.create_task(come()) for _ in range(4)]
    async with asyncio.timeout(GRACE * 6):
        while not isinstance(await folder.step(), Rest):
            pass
    over.set()
    await asyncio.gather(*coming)
    await until_rest(folder)
    await until_rest(receiver)
    assert len(await texts(house)) == next(numbers)


async def test_a_kill_between_the_two_commits_folds_nothing_in_twice(house: House, path: Path) -> None:
    """Life after life, by SIGKILL, each a little further."""
    hooks = 2 * BATCH + 50
    async with await Spool.open(path, MUCH) as spool:
        await fill(spool, hooks)
    await house.close()
    ends = [await _folded(path, f"sqlite:///{house.folder}/relay.db", times) for times in (0, 1, 9)]
    assert ends == [-signal.SIGKILL, -signal.SIGKILL, 0]
    await house.open()
    async with await Spool.open(path, MUCH) as spool:
        assert spool.waiting == 0
    receiver = Receiver({OFFICE: house.landline()}, house.ground)
    await until_rest(receiver)
    assert await texts(house) == [f"text {number}" for number in range(hooks)]


async def _folded(path: Path, url: str, times: int) -> int | None:
    process = await forks.start(PROGRAM, path, url, str(times))
    async with asyncio.timeout(60):
        return await process.wait()
