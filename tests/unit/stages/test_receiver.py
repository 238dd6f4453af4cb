"""The receiver behind the real listener, called by AT&T, simulated: what is answered 200 is on disk, and read once."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from sqlalchemy.exc import IntegrityError

from relay.domain.messages import HookReading, RawAnswer
from relay.journal import Journal, JournalError, JournalFull, JournalUnusable
from relay.stages.receiver import BATCH, MOST, Receiver
from relay.web.public import Hooks, Listener
from tests.unit.stages.house import ALICE, BOB, GRACE, OFFICE, House, happens, settled, until_rest

SECRET = "secret-0123456789"
INBOUND = b'{"id": %d, "messageType": "MO", "finalSource": "2065550002", "body": "Hello"}'
TEXT_IN = b'{"accountId": 1, "from": "+12065550002", "to": "+12065550100", "message": "Hello", "messageId": "77"}'


@asynccontextmanager
async def hooked(house: House, lost_answers: int = 0) -> AsyncIterator[Receiver]:
    """The office's line with its hooks installed and a listener in front of the receiver.

    The first `lost_answers` hooks are kept, and AT&T does not learn of it.
    """
    line = house.landline()
    receiver = Receiver({OFFICE: line}, house.ground)
    losses = iter(range(lost_answers))

    async def take(line: str, event: str, raw: RawAnswer) -> None:
        await receiver.take(line, event, raw)
        if next(losses, None) is not None:
            raise JournalUnusable("the answer is lost")

    hooks = Hooks({OFFICE: (SECRET,)}.get, receiver.knows, take, max_body=100_000)
    async with Listener("127.0.0.1", 0, hooks) as listener:
        for event in line.hook_events:
            await line.install_hook(event, f"http://127.0.0.1:{listener.port}/hooks/{OFFICE}/{SECRET}/{event}")
        yield receiver


async def delivered(house: House, hooks: int) -> None:
    """Let AT&T's events happen and its calls be answered."""
    async with asyncio.timeout(GRACE):
        while len(house.ledger("hook")) < hooks:
            await house.clock.advance(0.5)


async def read(receiver: Receiver) -> None:
    """Read all that was kept."""
    await until_rest(receiver)


async def test_a_text_that_came_by_a_hook_is_announced(house: House) -> None:
    """With the line's own number as its recipient."""
    async with hooked(house) as receiver:
        house.text("Hello", sender=BOB, to="+12065550100")
        await delivered(house, 1)
        assert [line["result"] for line in house.ledger("hook")] == [200]
        await read(receiver)
    [message] = await house.bodies("message")
    assert (message["from"], message["to"], message["text"]) == (BOB, "+12065550100", "Hello")
    assert house.board.of(OFFICE).last_success == house.clock.now()


async def test_a_hook_is_on_disk_when_it_is_answered(house: House) -> None:
    """A crash before it is read loses nothing: the next life reads it, once."""
    async with hooked(house):
        house.text("Hello", sender=BOB, to="+12065550100")
        await delivered(house, 1)
    assert await house.bodies("message") == []
    await house.restart()
    for _ in range(2):
        await read(Receiver({OFFICE: house.landline()}, house.ground))
    assert [body["text"] for body in await house.bodies("message")] == ["Hello"]


async def test_a_hook_that_is_delivered_again_is_recognised(house: House) -> None:
    """AT&T repeats what it believes unanswered, for 72 hours."""
    async with hooked(house, lost_answers=1) as receiver:
        house.text("Hello", sender=BOB, to="+12065550100")
        async with asyncio.timeout(GRACE):
            while len(house.ledger("hook")) < 2:
                await house.clock.advance(60)
        await read(receiver)
    assert [line["result"] for line in house.ledger("hook")] == [503, 200]
    assert [body["text"] for body in await house.bodies("message")] == ["Hello"]


async def test_a_text_sent_to_an_office_is_followed_by_hooks_to_its_end(house: House) -> None:
    """Delivered, each status once, the final one last."""
    async with hooked(house) as receiver:
        await house.send(ALICE, line=OFFICE)
        await settled(house.sender(house.landline()))
        async with asyncio.timeout(GRACE):
            while await house.standing(line=OFFICE) != {ALICE: "delivered"}:
                await house.clock.advance(1)
                await read(receiver)
    assert set((await house.finals()).values()) == {1}


async def test_progress_that_comes_before_the_answer_to_the_send_is_matched(house: House) -> None:
    """It is parked until the answer says whose it is."""
    house.simulator.set_modes("att-landline", {"early_progress": True})
    house.fault("delay", operation="send", seconds=30, processed=True)
    async with hooked(house) as receiver:
        await house.send(ALICE, line=OFFICE)
        sender = house.sender(house.landline())
        await sender.step()
        await happens(lambda: bool(house.ledger("fault")))
        await delivered(house, 1)
        await read(receiver)
        status = await house.journal.queries.status()
        assert status["parked"] > 0
        assert await house.standing(line=OFFICE) == {ALICE: "sending"}
        draining = asyncio.create_task(sender.drain(GRACE))
        await house.clock.advance(30)
        await draining
        await read(receiver)
    assert (await house.standing(line=OFFICE))[ALICE] in {"submitted", "delivered"}
    assert (await house.journal.queries.status())["parked"] == 0


async def test_garbage_is_answered_kept_and_set_aside(house: House) -> None:
    """AT&T is not asked to repeat what would be garbage again; a person is told, and others are read."""
    async with hooked(house) as receiver:
        await receiver.take(OFFICE, "receive", RawAnswer(b"\xff not JSON", "application/json"))
        house.text("Hello", sender=BOB, to="+12065550100")
        await delivered(house, 1)
        await read(receiver)
    [dead] = await house.bodies("dead")
    assert (dead["what"], dead["line"]) == ("hook", OFFICE)
    assert [body["text"] for body in await house.bodies("message")] == ["Hello"]
    assert await house.unread() == 0


async def test_hooks_of_lines_and_events_that_there_are_not_are_unknown(house: House) -> None:
    """The listener answers them as any other unknown path."""
    line = house.landline(events=["receive"])
    receiver = Receiver({OFFICE: line}, house.ground)
    known = [(name, event) for name in (OFFICE, "desk") for event in ("receive", "send") if receiver.knows(name, event)]
    assert known == [(OFFICE, "receive")]


async def test_a_hook_that_cannot_be_kept_is_refused_and_comes_again(house: House) -> None:
    """503 leaves it with AT&T."""
    async with hooked(house) as receiver:
        with house.broken("raw"):
            house.text("Hello", sender=BOB, to="+12065550100")
            await delivered(house, 1)
        assert house.ledger("hook")[0]["result"] == 503
        async with asyncio.timeout(GRACE):
            while len(house.ledger("hook")) < 2:
                await house.clock.advance(60)
        await read(receiver)
    assert [body["text"] for body in await house.bodies("message")] == ["Hello"]


async def test_what_a_person_did_with_a_text_is_told(house: House) -> None:
    """It was read in AT&T's own app, and deleted there."""
    receiver = Receiver({OFFICE: house.landline()}, house.ground)
    await receiver.take(OFFICE, "read", RawAnswer(b'{"id": 77, "type": "MO", "read": true}'))
    await receiver.take(OFFICE, "delete", RawAnswer(b'{"id": 77, "type": "MO"}'))
    await read(receiver)
    for name in ("read", "deleted"):
        [event] = await house.bodies(f"event.{name}")
        assert event["provider"] == {"message_id": "77"}


async def test_a_recipient_who_has_sent_stop_is_told_when_a_hook_says_so(house: House) -> None:
    """AT&T may take a text first, and say so afterwards; once, however often it calls."""
    answer = await house.send(ALICE, line=OFFICE)
    await settled(house.sender(line := house.landline()))
    [copy] = await house.copies(line=OFFICE)
    [receipt] = [body for body in await house.bodies("receipt") if body["provider"]["message_id"]]
    said = {"id": receipt["provider"]["message_id"], "type": "ZO", "finalDestination": ALICE, "statusCode": -1234}
    receiver = Receiver({OFFICE: line}, house.ground)
    for _ in range(2):
        await receiver.take(OFFICE, "progress", RawAnswer(json.dumps(said).encode()))
    await read(receiver)
    [event] = await house.events("event.opt-out")
    assert event.subject == answer.message_id
    assert event.body == {
        "message_id": answer.message_id,
        "copy_id": copy["copy_id"],
        "address": ALICE,
        "to": ALICE,
        "source": "provider",
        "word": "-1234",
        "scope": "all",
        "code": "-1234",
        "at": "2026-11-21T09:00:00.000Z",
    }
    assert await house.standing(line=OFFICE) == {ALICE: "failed"}


async def test_a_full_journal_is_503_with_a_time_to_come_again(house: House) -> None:
    """Its queue has an end, and the caller is told when to try again."""
    await house.close()
    await house.open(queue=0)
    async with hooked(house), aiohttp.ClientSession() as http:
        [hook] = [hook for hook in await house.landline().list_hooks() if hook.event == "receive"]
        async with http.post(hook.url, data=TEXT_IN) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "30")


async def test_what_was_kept_and_not_read_is_read_when_the_journal_works_again(house: House) -> None:
    """In this life, not only in the next."""
    async with hooked(house) as receiver:
        house.text("Hello", sender=BOB, to="+12065550100")
        await delivered(house, 1)
        with house.broken("message"), pytest.raises(JournalError):
            await read(receiver)
        await read(receiver)
    assert [body["text"] for body in await house.bodies("message")] == ["Hello"]


async def test_whatever_was_left_unread_is_read_after_a_crash(house: House) -> None:
    """All of it, however many steps that takes."""
    receiver = Receiver({OFFICE: house.landline()}, house.ground)
    unread = 3 * BATCH + 1
    await asyncio.gather(*(receiver.take(OFFICE, "receive", RawAnswer(b"%d" % n)) for n in range(unread)))
    again = Receiver({OFFICE: house.landline()}, house.ground)
    await read(again)
    assert await house.unread() == 0
    assert len(await house.journal.dead.list(10_000)) == unread


class Poisoned:
    """A line that one hook makes fail in a way that no parser may."""

    alias, provider, number = OFFICE, "poisoned", "+12065550100"
    hook_events: tuple[str, ...] = ("receive",)

    async def verify(self) -> str:
        """Nothing to try."""
        return ""

    async def aclose(self) -> None:
        """Nothing to close."""

    def read_hook(self, event: str, raw: RawAnswer) -> HookReading:  # noqa: ARG002 - as the protocol has it
        """A defect."""
        if raw.body == b"poison":
            raise ZeroDivisionError
        return HookReading()


async def test_a_hook_that_relay_fails_at_holds_up_no_other(house: House) -> None:
    """It stays, for the version that can read it; the supervisor sees the failure each time."""
    receiver = Receiver({OFFICE: Poisoned()}, house.ground)
    for body in (b"one", b"poison", b"two"):
        await receiver.take(OFFICE, "receive", RawAnswer(body))
    with pytest.raises(ZeroDivisionError):
        await receiver.step()
    assert await house.unread() == 1
    await receiver.take(OFFICE, "receive", RawAnswer(b"three"))
    with pytest.raises(ZeroDivisionError):
        await receiver.step()
    assert await house.unread() == 1


async def test_an_idle_receiver_rests_until_a_hook_comes(house: House) -> None:
    """It looks at nothing in between."""
    receiver = Receiver({OFFICE: Poisoned()}, house.ground)
    rest = await until_rest(receiver)
    assert rest.seconds is None
    resting = asyncio.create_task(rest.over(house.clock))
    await house.clock.advance(86_400)
    assert not resting.done()
    await receiver.take(OFFICE, "receive", RawAnswer(b"{}"))
    await asyncio.wait_for(resting, GRACE)


async def test_taking_tells_why_it_could_not(house: House) -> None:
    """The listener answers for it."""
    await house.close()
    journal = await Journal.open(f"sqlite:///{house.folder}/relay.db", clock=house.clock, ids=house.ids, node="n1")
    receiver = Receiver({OFFICE: Poisoned()}, replace(house.ground, journal=journal))
    await journal.aclose()
    with pytest.raises(JournalError) as refused:
        await receiver.take(OFFICE, "receive", RawAnswer(b"{}"))
    assert not isinstance(refused.value, JournalFull)


async def test_hooks_that_cannot_be_read_do_not_fill_the_memory(house: House) -> None:
    """While the journal keeps and does not understand, only so many are in memory; then all are read, once."""
    receiver = Receiver({OFFICE: house.landline()}, house.ground)
    await until_rest(receiver)
    hooks = [INBOUND % number for number in range(MOST + 2 * BATCH)]
    with house.broken("message"):
        await asyncio.gather(*(receiver.take(OFFICE, "receive", RawAnswer(body)) for body in hooks))
        for _ in range(3):
            with pytest.raises(JournalError):
                await receiver.step()
        assert receiver.waiting <= MOST
    await read(receiver)
    assert await house.unread() == 0
    assert len(await house.bodies("message")) == len(hooks)


async def test_a_hook_that_comes_while_others_are_taken_up_is_read(house: House) -> None:
    """Whichever is first, the look into the journal or the hook."""
    receiver = Receiver({OFFICE: house.landline()}, house.ground)
    hooks = [INBOUND % number for number in range(20)]
    stepping = asyncio.create_task(until_rest(receiver))
    await asyncio.gather(*(receiver.take(OFFICE, "receive", RawAnswer(body)) for body in hooks))
    await stepping
    await read(receiver)
    assert len(await house.bodies("message")) == len(hooks)


async def test_what_cannot_be_written_of_one_hook_keeps_no_other_back(house: House) -> None:
    """They are written down together first; then each by itself, so that only the bad one stays."""
    receiver = Receiver({OFFICE: house.landline()}, house.ground)
    for number, body in enumerate((b"one", b"poison", b"two")):
        hook = INBOUND.replace(b"Hello", body) % number
        await receiver.take(OFFICE, "receive", RawAnswer(hook, "application/json"))
    with house.defective("event", "instr(CAST(NEW.body AS TEXT), 'poison')"), pytest.raises(IntegrityError):
        await receiver.step()
    assert [body["text"] for body in await house.bodies("message")] == ["one", "two"]
    await read(receiver)
    assert [body["text"] for body in await house.bodies("message")] == ["one", "two", "poison"]


async def test_hooks_that_wait_are_written_down_in_one_transaction(house: House) -> None:
    """However many they are, and in the order in which they came."""
    receiver = Receiver({OFFICE: house.landline()}, house.ground)
    hooks = [RawAnswer(INBOUND.replace(b"Hello", b"text %d") % (number, number)) for number in range(50)]
    await asyncio.gather(*(receiver.take(OFFICE, "receive", raw) for raw in hooks))
    before = house.journal._core.writer.commits
    await receiver.step()
    assert house.journal._core.writer.commits == before + 1
    assert [body["text"] for body in await house.bodies("message")] == [f"text {number}" for number in range(50)]
