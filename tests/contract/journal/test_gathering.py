"""Requests that are written together: their rows wait for one another, and nobody can tell."""

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

from sqlalchemy import text as sql

from relay.domain.addresses import outbound
from relay.domain.messages import Reply
from relay.journal import Answer
from relay.journal.optoutrows import Word, opt_out
from relay.journal.transaction import Transaction
from relay.rules.line import LineRules, Rules
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, Desk
from tests.contract.journal.places import only

MANY = 1_234
NUMBERS = [outbound(f"+1206555{place:04d}") for place in range(1000, 1000 + MANY)]


async def together(desk: Desk, *asked: Awaitable[Any]) -> list[Any]:
    """What these give, or raise, where all of them wait while the writer is held, so that they are one batch."""
    writer, begun, held = desk.journal._core.writer, threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        begun.set()
        held.wait(30)

    blocking = asyncio.create_task(writer.run(hold))
    await asyncio.to_thread(begun.wait)
    waiting = [asyncio.ensure_future(one) for one in asked]
    while writer._waiting < 1 + len(waiting):  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0)
    held.set()
    await blocking
    return await asyncio.gather(*waiting, return_exceptions=True)


def outcomes(answers: list[Answer]) -> list[tuple[str, bool]]:
    """What became of requests."""
    return [(one.outcome, one.replayed) for one in answers]


async def test_a_key_is_one_request_within_a_batch(desk: Desk) -> None:
    """The second is answered with the first's answer, the third says something else, and one text is sent."""
    answers = await together(
        desk,
        desk.send(ALICE, key="order-1"),
        desk.send(ALICE, key="order-1"),
        desk.send(ALICE, key="order-1", digest="another"),
        desk.send(ALICE, key="order-1", client="shop"),
        desk.send(ALICE, key="order-1", line="other"),
    )
    assert outcomes(answers) == [
        ("accepted", False),
        ("accepted", True),
        ("rejected", False),
        ("accepted", False),
        ("accepted", False),
    ]
    assert answers[2].body["error"]["code"] == "conflict"
    assert answers[0].message_id == answers[1].message_id
    assert len({one.message_id for one in answers if one.message_id}) == 3
    assert [one.sequence for one in await desk.events("result")] == [1, 2, 1, 1, 1]


async def test_what_waits_together_is_committed_together(desk: Desk) -> None:
    """And its times are one."""
    await desk.send(CAROL)
    before = desk.journal.commits
    await together(desk, desk.send(ALICE), desk.send(BOB))
    assert desk.journal.commits == before + 2
    assert len({one.recorded_at for one in (await desk.events("result"))[1:]}) == 1


async def test_a_key_of_an_earlier_batch_is_known_to_a_later_one(desk: Desk) -> None:
    """Whoever else asks with it."""
    first = await together(desk, *(desk.send(ALICE, key=f"order-{number}") for number in range(20)))
    again = await together(desk, *(desk.send(ALICE, key=f"order-{number}") for number in range(10, 30)))
    assert outcomes(again) == [("accepted", True)] * 10 + [("accepted", False)] * 10
    assert [one.message_id for one in again[:10]] == [one.message_id for one in first[10:]]


async def test_a_key_is_known_when_its_rows_were_written_in_the_midst_of_a_batch(desk: Desk) -> None:
    """Others may have asked the database in between."""
    answers = await together(
        desk,
        desk.send(ALICE, key="order-1"),
        desk.journal.commands.lookup(LINE, None, "order-1", None, Reply()),
        desk.send(ALICE, key="order-1"),
        desk.send(BOB, key="order-2"),
        desk.journal.commands.lookup(LINE, None, "order-2", None, Reply()),
        desk.journal.commands.lookup(LINE, None, "order-3", None, Reply()),
    )
    assert [one.outcome for one in answers] == ["accepted", "found", "accepted", "accepted", "found", "rejected"]
    assert answers[2].replayed
    assert [one["to"] for one in answers[4].body["copies"]] == [BOB.value]


async def test_requests_of_a_batch_share_a_call(desk: Desk) -> None:
    """As if each had come by itself: a full call is followed by another, and a number's second text waits."""
    desk.journal.follow(Rules({LINE: LineRules(LINE, company=5.0)}))
    await desk.send(NUMBERS[0], size=4)
    await together(desk, *(desk.send(to, size=4) for to in (*NUMBERS[1:6], NUMBERS[5])))
    desk.clock.pass_(seconds=6)
    assert [len((await desk.claim()).recipients) for _ in range(2)] == [4, 2]
    assert await desk.none_due()


async def test_a_call_of_a_batch_is_joined_after_it_was_written(desk: Desk) -> None:
    """Others may have asked the database in between."""
    await desk.send(CAROL, key="first", text="Other words")
    first, _, second, third = await together(
        desk,
        desk.send(NUMBERS[0], key="a"),
        desk.journal.commands.lookup(LINE, None, "a", None, Reply()),
        desk.send(NUMBERS[1], key="b"),
        desk.send(NUMBERS[2], key="c", ttl=60.0),
    )
    assert (await desk.claim()).message_id != first.message_id
    assert [one.copy_id for one in (await desk.claim()).recipients] == [
        f"{first.message_id}-0",
        f"{second.message_id}-0",
    ]
    assert [one.copy_id for one in (await desk.claim()).recipients] == [f"{third.message_id}-0"]


async def test_each_request_of_a_batch_says_its_own(desk: Desk) -> None:
    """What was read for all of them together is not mixed up."""
    texts = [f"Text {place % 7} of many" for place in range(40)]
    await together(desk, *(desk.send(to, text=said) for to, said in zip(NUMBERS, texts, strict=False)))
    found: dict[str, str | None] = {}
    while (call := await desk.journal.calls.claim(LINE, ME)) is not None:
        found |= {one.address.value: call.text for one in call.recipients}
    assert found == {to.value: said for to, said in zip(NUMBERS, texts, strict=False)}


async def test_a_call_that_a_batch_fills_waits_no_longer(desk: Desk) -> None:
    """Whether it was there before, or is the batch's own."""
    desk.journal.follow(Rules({LINE: LineRules(LINE, company=60.0)}))
    await desk.send(NUMBERS[0], size=2)
    await together(desk, *(desk.send(to, size=2) for to in NUMBERS[1:5]))
    assert [len((await desk.claim()).recipients) for _ in range(2)] == [2, 2]
    assert await desk.none_due()


async def test_a_cancel_finds_what_came_before_it_in_its_batch(desk: Desk) -> None:
    """Nothing of it is sent, and its room is free."""
    _, canceled, *_ = await together(
        desk,
        desk.send(ALICE, key="order-1"),
        desk.journal.commands.cancel(LINE, None, "order-1", None, Reply()),
        desk.send(BOB, key="order-2"),
    )
    assert canceled.outcome == "canceled"
    assert (await desk.standing("order-1"), await desk.standing("order-2")) == (["canceled"], ["queued"])
    assert [one.address for one in (await desk.claim()).recipients] == [BOB]


async def _stop(desk: Desk) -> bool:
    word = Word(ALICE.value, LINE, desk.clock.now(), "keyword", "stop")
    return await desk.journal._core.writer.run(lambda tx: opt_out(tx, word))


async def test_a_stop_holds_for_what_comes_after_it_in_its_batch(desk: Desk) -> None:
    """Even if it is the first ever, and others of the batch have seen that there was none."""
    answers = await together(desk, desk.send(ALICE), _stop(desk), desk.send(ALICE, BOB), desk.send(BOB))
    states = [[one["status"] for one in answers[place].body["copies"]] for place in (0, 2, 3)]
    assert states == [["queued"], ["failed", "queued"], ["queued"]]


async def test_a_request_for_very_many_is_written_whole(desk: Desk) -> None:
    """In pieces, which nobody sees."""
    answer, again = await together(desk, desk.send(*NUMBERS, key="all"), desk.send(*NUMBERS, key="all"))
    assert [one["to"] for one in answer.body["copies"]] == [to.value for to in NUMBERS]
    assert again.replayed
    assert len(await desk.standing("all")) == MANY


async def test_one_bad_operation_takes_no_gathered_rows_with_it(desk: Desk) -> None:
    """The others of its batch are written, once each."""

    def bad(tx: Transaction) -> None:
        tx.execute(sql("DELETE FROM message"))
        raise LookupError("bad")

    writer = desk.journal._core.writer
    ends = await together(desk, desk.send(ALICE), writer.run(bad), desk.send(BOB), desk.send(CAROL))
    assert [isinstance(end, LookupError) for end in ends] == [False, True, False, False]
    found = await desk.journal.commands.lookup(LINE, None, "key-3", None, Reply())
    assert [one["status"] for one in found.body["copies"]] == ["queued"]
    assert len(await desk.events("result")) == 4


@only("sqlite", because="its driver tells what it runs")
async def test_what_a_batch_writes_takes_few_statements(desk: Desk) -> None:
    """However many requests it has: each table's rows go together, and keys are asked for together."""
    counted: list[int] = []
    for many in (1, 100):
        statements = 0

        def traced(_: str) -> None:
            nonlocal statements
            statements += 1

        driver = desk.journal._core.writer._connection
        if driver is None:
            await desk.send(CAROL)
            driver = desk.journal._core.writer._connection
        assert driver is not None
        raw: Any = driver.connection.driver_connection
        raw.set_trace_callback(traced)
        await together(desk, *(desk.send(ALICE, size=1, ttl=many + number / 1000) for number in range(many)))
        raw.set_trace_callback(None)
        counted.append(statements)
    # Five rows each; beside them some statements for all together.
    assert counted[1] - counted[0] == 5 * 99
