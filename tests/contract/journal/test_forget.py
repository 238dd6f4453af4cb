"""Somebody is forgotten: taken out of everything, and only their opt-out stays, by its hash."""

import asyncio
import random
from datetime import timedelta
from typing import Any

from relay.domain.addresses import Address, inbound, outbound
from relay.domain.mailbox import MailEntry
from relay.domain.messages import DeliveryReport, Part, RawAnswer, Sighting
from relay.domain.states import Fact
from relay.ids import Ids
from relay.journal import Forgotten, Journal, JournalUnusable, KeptRaw, Understood
from relay.journal.forgetting import KINDS
from relay.journal.transaction import Operation
from relay.journal.writer import Writer
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, START, Desk, delivered, text
from tests.contract.journal.history import SLOWER, accepted_in, finished

# ALICE's number as people and programs write it, and what she wrote and was written.
SPELLED = (b"2065550101", b"206-555-0101", b"(206) 555-0101", b"206.555.0101", b"206 555 0101")
HERS, TO_HER = "Alice was at the marked gate", "Dear Alice, your marked order is on its way"


async def test_nothing_of_a_person_is_left_in_the_file(desk: Desk) -> None:
    """No number in any spelling, no text of theirs: not in the journal, and where that is a file, not in its WAL."""
    await _a_life_of(desk)
    assert desk.place.anywhere(SPELLED)
    done = await _forget(desk, ALICE)
    assert done.left == {}
    assert done.is_clean
    assert desk.place.anywhere((*SPELLED, HERS.encode(), TO_HER.encode(), b"marked.png")) == set()


async def test_it_says_how_much_was_erased_and_of_whom_nothing(desk: Desk) -> None:
    """Counts by kind, for the operator who has to answer for it."""
    await _a_life_of(desk)
    done = await _forget(desk, ALICE)
    assert {kind for kind, count in done.done.items() if count} == {
        "copies", "messages", "events", "raw", "reports", "awaited", "media", "asides", "optouts",
    }  # fmt: skip
    assert ALICE.digits10 not in str(done)


async def test_others_lose_nothing(desk: Desk) -> None:
    """Their copies, the texts to them, what they wrote, and their opt-outs are as they were."""
    await desk.sent(ALICE, BOB, text="For both of you", ref="both")
    await desk.receive(text("Bob wrote this", sender=BOB.value))
    await desk.journal.optouts.add([BOB.value])
    await _forget(desk, ALICE)
    assert {one["to"] for one in await desk.copies()} == {_stands_for(desk, ALICE), BOB.value}
    assert b"For both of you" in b"".join(desk.place.column("message", "content"))
    assert [body["text"] for body in await desk.bodies("message")] == ["Bob wrote this"]
    [found] = await desk.journal.optouts.of([BOB.value])
    assert found["address"] == BOB.value


async def test_a_text_to_several_goes_with_the_last_of_them(desk: Desk) -> None:
    """As long as one of them is somebody, it is theirs."""
    await desk.sent(ALICE, BOB, text="For both of you", metadata={"campaign": "both"})
    await _forget(desk, ALICE)
    await _forget(desk, BOB)
    assert desk.place.column("message", "content") == [b""]
    assert b"campaign" not in b"".join(desk.place.column("message", "echo"))
    assert b"campaign" not in b"".join(desk.place.column("event", "body"))


async def test_two_people_who_are_forgotten_stay_two(desk: Desk) -> None:
    """Each has a name of their own that nobody can read, the same every time."""
    await desk.sent(ALICE, BOB, ref="1")
    await _forget(desk, ALICE, BOB)
    first = {one["to"] for one in await desk.copies()}
    await desk.sent(ALICE, ref="2")
    await _forget(desk, ALICE)
    assert len(first) == 2
    assert {one["to"] for one in await desk.copies("key-2")} < first


async def test_what_waits_for_them_is_canceled_and_told(desk: Desk) -> None:
    """Every accepted copy has its end; the receipt names nobody."""
    await desk.send(ALICE, BOB, size=1)
    await _forget(desk, ALICE)
    assert await desk.standing() == ["canceled", "queued"]
    [receipt] = await desk.bodies("receipt")
    assert (receipt["status"], receipt["final"]) == ("canceled", True)
    assert receipt["to"].startswith("forgotten:")
    assert (await desk.claim()).recipients[0].address == BOB


async def test_what_is_uncertain_is_given_up(desk: Desk) -> None:
    """Nobody can find out any more whether it was sent; nothing of it waits for a person."""
    await desk.send(ALICE)
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    await _forget(desk, ALICE)
    assert await desk.standing() == ["failed"]
    assert await desk.journal.dead.list(10) == []
    assert (await desk.bodies("receipt"))[-1]["final"]


async def test_what_is_under_way_is_left_and_said(desk: Desk) -> None:
    """The call carries the number at this moment; once it has ended, the rest is done."""
    await desk.send(ALICE)
    call = await desk.claim()
    assert (await _forget(desk, ALICE)).left == {"under_way": 1}
    await desk.hand_over(call)
    done = await _forget(desk, ALICE)
    assert (done.left, done.is_clean) == ({}, True)
    await desk.report(delivered())
    assert await desk.standing() == ["delivered"]


async def test_bytes_that_nobody_has_read_are_left_and_said(desk: Desk) -> None:
    """They may hold what others wrote; they are read in a moment."""
    kept = await _keep(desk, b'{"from": "tel:+12065550101"}')
    assert (await _forget(desk, ALICE)).left == {"unread": 1}
    await desk.journal.raw.understood(kept)
    assert (await _forget(desk, ALICE)).done["raw"] == 1


async def test_an_opt_out_holds_by_its_hash(desk: Desk) -> None:
    """The number itself is nowhere, and yet nothing is sent to it."""
    await desk.journal.optouts.add([ALICE.value])
    await _forget(desk, ALICE)
    assert desk.place.column("optout", "address") == [None]
    answer = await desk.send(ALICE)
    assert answer.body["copies"][0]["error"]["code"] == "opted_out"


async def test_a_repeated_id_is_still_recognised(desk: Desk) -> None:
    """Who repeats it names the number anew, and gets the answer of then."""
    first = await desk.sent(ALICE, metadata={"a": 1})
    await _forget(desk, ALICE)
    again = await desk.send(ALICE, key="key-1", metadata={"a": 1})
    assert again.replayed
    assert again.body["copies"] == first.body["copies"]
    assert again.body["metadata"] == {"a": 1}


async def test_an_id_that_holds_the_number_is_replaced(desk: Desk) -> None:
    """A client's own choice; the copy is found by its message."""
    answer = await desk.sent(ALICE, key="reminder 206-555-0101")
    await _forget(desk, ALICE)
    assert desk.place.anywhere(SPELLED) == set()
    assert len((await desk.journal.queries.shown(str(answer.message_id)))["copies"]) == 1


async def test_what_comes_in_afterwards_is_new(desk: Desk) -> None:
    """Who writes again is somebody again."""
    await desk.receive(text(HERS, sender=ALICE.value))
    await _forget(desk, ALICE)
    await desk.receive(text("Here I am again", sender=ALICE.value))
    assert [body["text"] for body in await desk.bodies("message")] == [None, "Here I am again"]


async def test_a_mailbox_does_not_bring_them_back(desk: Desk) -> None:
    """It still lists the message, which is known by its id and not fetched again."""
    entries = [MailEntry("m-1", is_unread=True, is_incoming=True)]
    await desk.journal.mailbox.compared(LINE, entries, "c-1", unpublished_before=None)
    [arrived] = await desk.arriving()
    await desk.journal.arrivals.whole(arrived, text(HERS, sender=ALICE.value))
    await _forget(desk, ALICE)
    await desk.journal.mailbox.compared(LINE, entries, "c-2", unpublished_before=None)
    assert await desk.arriving() == []
    assert len(await desk.bodies("message")) == 1


async def test_what_is_cut_short_is_done_the_next_time(desk: Desk) -> None:
    """A kill after any piece: the same again finds the rest."""
    await _a_life_of(desk)
    await desk.journal.aclose()
    for writes in range(100):
        left, writer = await _that_falls_after(writes, desk)
        try:
            await _forget(left, ALICE)
        except JournalUnusable:
            writer.falls_after = None
            assert (await _forget(left, ALICE)).is_clean
        else:
            assert writes >= len(KINDS)
            break
        finally:
            await left.journal.aclose()
        assert left.place.anywhere((*SPELLED, HERS.encode(), TO_HER.encode())) == set()


async def test_events_that_were_not_published_are_published_without_them(desk: Desk) -> None:
    """In their order, each with its own id and a checksum that fits."""
    await desk.sent(ALICE, text=TO_HER)
    await desk.receive(text(HERS, sender=ALICE.value))
    before = [event.id for event in await desk.events()]
    await _forget(desk, ALICE)
    pending = await desk.journal.events.pending(0, 100)
    assert [one.id for _, one in pending] == before
    assert (await desk.bodies("message"))[0]["forgotten"] is True


async def test_an_email_address_is_forgotten_whatever_its_capitals(desk: Desk) -> None:
    """As an opt-out holds for every spelling of it."""
    jane = outbound("Jane@mail.example")
    await desk.sent(jane)
    await _keep_read(desk, b'{"to": "jane%40mail.example"}')
    await _forget(desk, outbound("jane@mail.example"))
    assert desk.place.anywhere((b"Jane@mail", b"jane@mail", b"jane%40mail")) == set()


async def test_nobody_waits_for_it(desk: Desk) -> None:
    """Requests are accepted about as fast while somebody with thousands of texts is forgotten."""
    await desk.journal.aclose()
    await asyncio.to_thread(finished, desk.place, 1_000)  # all of them went to ALICE
    desk.journal = (await Desk.at(desk.place, desk.clock)).journal
    before = await accepted_in(desk, 50, BOB)
    forgetting = asyncio.create_task(_forget(desk, ALICE))
    during = await accepted_in(desk, 50, BOB)
    assert (await forgetting).done["copies"] == 1_000
    assert during / before < SLOWER


def _stands_for(desk: Desk, whom: Address) -> str:
    named = desk.place.read("SELECT address FROM copy WHERE address LIKE 'forgotten:%'")[0]["address"]
    assert whom.digits10 not in named
    return str(named)


async def _forget(desk: Desk, *whom: Address) -> Forgotten:
    return await desk.journal.people.forget(whom, desk.journal.media.drop)


async def _keep(desk: Desk, body: bytes) -> KeptRaw:
    return await desk.journal.raw.keep(LINE, "inbox", "", "", RawAnswer(body, "application/json"))


async def _keep_read(desk: Desk, body: bytes) -> Understood:
    return await desk.journal.raw.understood(await _keep(desk, body))


async def _a_life_of(desk: Desk) -> None:
    """Everything that ALICE may be found in, and others beside her."""
    await desk.sent(ALICE, text=TO_HER, metadata={"name": "Alice"}, ref="S1")
    await desk.sent(BOB, CAROL, text="For others", ref="S2")
    await desk.send(ALICE, text=TO_HER, send_at=START + timedelta(days=1))
    part = Part("image/png", "marked.png", size=10, token="t" * 32, href=f"https://relay.example/media/{'t' * 32}")
    await desk.journal.media.keep(LINE, part, START + timedelta(days=1))
    message = text(HERS, sender="tel:+12065550101")
    with_picture = type(message)(inbound("2065550101"), "12345", HERS, None, parts=(part,))
    await desk.receive(message)
    await desk.receive(with_picture)
    for spelled in SPELLED:
        await _keep_read(desk, b'{"from": "%b", "text": "%b"}' % (spelled, HERS.encode()))
    await desk.journal.raw.set_aside(await _keep(desk, b"<garbled>206-555-0101"), "unreadable")
    await desk.report(DeliveryReport("nobody's", Fact.DELIVERED, inbound("tel:+12065550101")))
    await desk.see(Sighting("m-9", (ALICE,), TO_HER + " from elsewhere"))
    await desk.journal.optouts.add([ALICE.value])
    await desk.journal.events.published([event.id for event in await desk.events()][:5])


class _Falling(Writer):
    """A writer that writes so many things more, and then nothing."""

    falls_after: int | None = None

    async def run(self, operation: Operation[Any], **more: Any) -> Any:
        """Write, or fall."""
        if self.falls_after is not None:
            self.falls_after -= 1
            if self.falls_after < 0:
                raise JournalUnusable("the disk was pulled out")
        return await super().run(operation, **more)


class _FallingJournal(Journal):
    """A journal with such a writer."""

    writes = _Falling


async def _that_falls_after(writes: int, desk: Desk) -> tuple[Desk, _Falling]:
    """A copy of the desk's journal, which was closed."""
    place = await asyncio.to_thread(desk.place.after_kill)
    ids = Ids(desk.clock, random.Random(writes))  # noqa: S311 - chance that can be repeated
    journal = await _FallingJournal.open(place.url, clock=desk.clock, ids=ids, node=ME, real=desk.clock)
    writer = journal._core.writer
    assert isinstance(writer, _Falling)
    writer.falls_after = writes
    return Desk(place, journal, desk.clock), writer
