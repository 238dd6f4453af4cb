"""A mailbox's mirror: every message is published once, none is forgotten, and the cursor moves with what it brought."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.domain.mailbox import MailChanges, MailEntry
from relay.domain.messages import MailChange
from relay.journal import Changed, JournalFull, MailboxStanding, mailbox
from tests.contract.journal.conftest import Open
from tests.contract.journal.desk import LINE, START, Desk, seen, text

CONSENT = START - timedelta(days=1)
OLD, NEW = CONSENT - timedelta(seconds=1), CONSENT


def entry(ref: str, **more: Any) -> MailEntry:
    """What a listing says of a message."""
    return MailEntry(ref, **{"is_unread": True, "is_incoming": True, "time": NEW, **more})


async def _compared(desk: Desk, *entries: MailEntry, cursor: str | None = "c1", history: bool = False) -> Changed:
    before = None if history else CONSENT
    return await desk.journal.mailbox.compared(LINE, entries, cursor, unpublished_before=before)


async def _changed(
    desk: Desk, cursor: str, added: tuple[str, ...] = (), updated: tuple[MailEntry, ...] = (), **more: Any
) -> Changed:
    changes = MailChanges(cursor, tuple(entry(ref) for ref in added), updated, **more)
    return await desk.journal.mailbox.changed(LINE, changes)


async def _fetch(desk: Desk) -> list[str]:
    """Have everything fetched that is to be; gives what that was."""
    arrivals = await desk.arriving()
    await asyncio.gather(*(desk.journal.arrivals.whole(arrival, text(arrival.ref)) for arrival in arrivals))
    return sorted(arrival.ref for arrival in arrivals)


async def _updates(desk: Desk) -> list[tuple[str, Any]]:
    return [(body["provider"]["message_id"], body.get("is_unread")) for body in await desk.bodies("event.updated")]


async def _deletions(desk: Desk) -> list[str]:
    return [body["provider"]["message_id"] for body in await desk.bodies("event.deleted")]


async def test_a_mailbox_that_was_never_compared_has_no_standing(desk: Desk) -> None:
    """And then it has, over restarts; each line its own."""
    assert await desk.journal.mailbox.standing(LINE) == MailboxStanding(None, None)
    await _compared(desk, entry("m-1"))
    desk.clock.pass_(hours=1)
    await _changed(desk, "c2")
    await desk.reopen()
    assert await desk.journal.mailbox.standing(LINE) == MailboxStanding("c2", START)
    assert await desk.journal.mailbox.standing("other") == MailboxStanding()


async def test_what_is_older_than_the_consent_is_known_and_not_published(desk: Desk) -> None:
    """And at the first comparison what has no time."""
    done = await _compared(desk, entry("old", time=OLD), entry("new"), entry("timeless", time=None))
    assert done == Changed(added=1)
    assert await _fetch(desk) == ["new"]
    await _changed(desk, "c2", deleted=("old",))
    assert await _deletions(desk) == ["old"]


async def test_history_is_published_where_it_is_wanted(desk: Desk) -> None:
    """Everything that is there."""
    done = await _compared(desk, entry("old", time=OLD), entry("timeless", time=None), history=True)
    assert done == Changed(added=2)
    assert await _fetch(desk) == ["old", "timeless"]


async def test_a_later_comparison_publishes_what_has_no_time(desk: Desk) -> None:
    """It was not there before."""
    await _compared(desk, entry("m-1", time=None))
    await _compared(desk, entry("m-1", time=None), entry("m-2", time=None), entry("old", time=OLD))
    assert await _fetch(desk) == ["m-2"]


async def test_a_comparison_neither_repeats_nor_forgets(desk: Desk) -> None:
    """What was missed is fetched, what is gone is told, what is known changes nothing."""
    await _compared(desk, entry("m-1"), entry("m-2"), entry("m-3"))
    assert await _fetch(desk) == ["m-1", "m-2", "m-3"]
    done = await _compared(desk, entry("m-4"), entry("m-3"), entry("m-2", is_unread=False), entry("m-3"), cursor="c2")
    assert done == Changed(1, 1, 1)
    assert await _fetch(desk) == ["m-4"]
    assert await _updates(desk) == [("m-2", False)]
    assert await _deletions(desk) == ["m-1"]
    same = (entry("m-4"), entry("m-3"), entry("m-2", is_unread=False))
    assert await _compared(desk, *same, cursor="c3") == Changed()
    assert (await desk.journal.mailbox.standing(LINE)).cursor == "c3"


async def test_changes_are_taken_in_with_their_cursor(desk: Desk) -> None:
    """Told again, they change nothing."""
    await _compared(desk, entry("m-1"), entry("m-2"))
    await _fetch(desk)
    for again in (False, True):
        done = await _changed(desk, "c2", ("m-3",), (entry("m-1", is_unread=False),), deleted=("m-2", "unheard of"))
        assert done == (Changed() if again else Changed(1, 1, 1))
    assert (await desk.journal.mailbox.standing(LINE)).cursor == "c2"
    assert (await _updates(desk), await _deletions(desk)) == ([("m-1", False)], ["m-2"])
    assert await _fetch(desk) == ["m-3"]


async def test_events_name_relays_own_id(desk: Desk) -> None:
    """Of a message that was published; else there is none."""
    await _compared(desk, entry("m-1"), entry("old", time=OLD))
    await _fetch(desk)
    [message] = await desk.events("message")
    await _changed(desk, "c2", (), (entry("m-1", is_unread=False), entry("old", is_unread=False)))
    [one, other] = await desk.events("event.updated")
    assert one.body == {
        "message_id": message.subject,
        "provider": {"message_id": "m-1"},
        "is_unread": False,
    }
    assert (one.subject, one.sequence) == (message.subject, 2)
    assert (other.subject, other.body["message_id"]) == (LINE, None)


async def test_relays_own_message_is_known_in_the_mailbox(desk: Desk) -> None:
    """What happens to it is told by its id."""
    answer = await desk.send()
    await desk.hand_over(await desk.claim(unseen=True), None)
    await _compared(desk, entry("m-1", is_incoming=False))
    [arrival] = await desk.arriving()
    await desk.journal.arrivals.whole(arrival, seen())
    await _changed(desk, "c2", deleted=("m-1",))
    [body] = await desk.bodies("event.deleted")
    assert body["message_id"] == answer.message_id


async def test_a_published_message_s_id_leads_to_the_provider_s(desk: Desk) -> None:
    """On its own line; of what is unheard of there is none."""
    await _compared(desk, entry("m-1"))
    await _fetch(desk)
    [message] = await desk.events("message")
    assert await desk.journal.mailbox.ref_of(LINE, message.subject) == "m-1"
    assert await desk.journal.mailbox.ref_of("other", message.subject) is None
    assert await desk.journal.mailbox.ref_of(LINE, "unheard of") is None


async def test_an_update_that_says_nothing_is_told_and_an_unheard_of_one_is_new(desk: Desk) -> None:
    """Something changed that the provider does not name; what changed and is not known was missed."""
    await _compared(desk, entry("m-1"))
    done = await _changed(desk, "c2", (), (entry("m-1", is_unread=None), entry("m-2")))
    assert done == Changed(1, 1, 0)
    assert await _updates(desk) == [("m-1", None)]
    assert await _fetch(desk) == ["m-1", "m-2"]


async def test_what_a_listing_does_not_say_stays_as_it_was(desk: Desk) -> None:
    """A missing flag is no change."""
    await _compared(desk, entry("m-1", is_unread=False))
    await _compared(desk, entry("m-1", is_unread=None, is_incoming=None))
    await _compared(desk, entry("m-1", is_unread=False))
    assert await _updates(desk) == []


async def test_what_was_overlooked_for_once_is_not_published_again(desk: Desk) -> None:
    """A listing that changes while its pages are read may skip a message; also days later."""
    await _compared(desk, entry("m-1"), entry("m-2"))
    await _fetch(desk)
    await _compared(desk, entry("m-2"), cursor="c2")
    for days in (0, 4):
        desk.clock.pass_(days=days)
        while await desk.journal.upkeep.purge():
            pass
        assert await _changed(desk, f"c{days + 3}", ("m-1",)) == Changed()
        assert await _changed(desk, f"d{days}", deleted=("m-1",)) == Changed(deleted=1)
    assert await _fetch(desk) == []


async def test_a_message_that_was_deleted_before_it_was_fetched_is_still_asked_for(desk: Desk) -> None:
    """Whether it is gone, its provider says; it is not asked for twice."""
    await _compared(desk)
    await _changed(desk, "c2", ("m-1",))
    await _changed(desk, "c3", deleted=("m-1",))
    await _changed(desk, "c4", ("m-1",))
    assert await _fetch(desk) == ["m-1"]


async def test_what_came_and_went_between_two_looks_is_asked_for_and_not_told_as_deleted(desk: Desk) -> None:
    """Nobody has heard of it; told again, it changes nothing."""
    await _compared(desk)
    for _ in range(2):
        await _changed(desk, "c2", ("m-1",), deleted=("m-1",))
    assert await _deletions(desk) == []
    assert [arrival.ref for arrival in await desk.arriving()] == ["m-1"]


async def test_a_large_mailbox_is_compared_in_small_pieces(desk: Desk) -> None:
    """The cursor comes with the last, and nobody waits for all."""
    entries = [entry(f"m-{number:05}") for number in range(1_001)]
    commits = desk.journal.commits
    assert (await _compared(desk, *entries)).added == 1_001
    assert desk.journal.commits - commits >= 1_001 / mailbox.AT_ONCE
    assert (await _compared(desk, *entries)).added == 0
    done = await _compared(desk, entries[0], cursor="c2")
    assert done == Changed(deleted=1_000)
    assert (await _compared(desk, entries[0])) == Changed()


@pytest.mark.parametrize("commits", [1, 2, 3, 4, 5])
async def test_a_comparison_that_is_cut_short_is_done_again(desk: Desk, commits: int) -> None:
    """After any of its commits: the second run finds what was written and does the rest."""
    old = [entry(f"m-{number:04}") for number in range(450)]
    await _compared(desk, *old)
    await _fetch(desk)
    new = [entry(f"m-{number:04}", is_unread=False) for number in range(350, 850)]
    cut = desk.journal.commits + commits
    comparing = asyncio.create_task(_compared(desk, *new, cursor="c2"))
    async with asyncio.timeout(10):
        while desk.journal.commits < cut and not comparing.done():
            await desk.journal.mailbox.standing(LINE)
    await desk.reopen()
    await asyncio.gather(comparing, return_exceptions=True)
    await _compared(desk, *new, cursor="c2")
    assert await _fetch(desk) == [f"m-{number:04}" for number in range(450, 850)]
    assert sorted(await _deletions(desk)) == [f"m-{number:04}" for number in range(350)]
    assert len(await _updates(desk)) == 100
    assert await _compared(desk, *new, cursor="c3") == Changed()


async def test_a_full_journal_takes_nothing_in(open_journal: Open) -> None:
    """And says so; the cursor stays."""
    desk = await open_journal(queue_bytes=1_000)
    with pytest.raises(JournalFull):
        await _changed(desk, "c2", tuple(f"m-{number}" for number in range(10)))
    assert await desk.journal.mailbox.standing(LINE) == MailboxStanding()
    assert await desk.arriving() == []


async def test_a_hooks_change_names_the_message_it_is_about(desk: Desk) -> None:
    """One that came in, one that relay has sent, and one that nobody knows."""
    await desk.receive(replace(text(key="k"), ref="m-1"))
    answer = await desk.send()
    call = await desk.claim()
    await desk.hand_over(call, "root")
    [message] = await desk.events("message")
    changes = (MailChange("read", "m-1", {"by": "office"}, "k1"), MailChange("deleted", "m-9", {}, "k2"))
    assert (await desk.hear(*changes)).changes == 2
    assert (await desk.hear(*changes)).changes == 0
    [read] = await desk.events("event.read")
    assert read.body == {"message_id": message.subject, "provider": {"message_id": "m-1"}, "by": "office"}
    assert [body["message_id"] for body in await desk.bodies("event.deleted")] == [None]
    assert answer.message_id is not None


async def test_a_provider_s_id_is_forgotten_with_its_message(desk: Desk) -> None:
    """Where no mailbox shows it; where one does, it is known as long as that."""
    await desk.receive(replace(text(key="k"), ref="hook"))
    await _compared(desk, entry("listed"), entry("gone"))
    await _fetch(desk)
    await _changed(desk, "c2", deleted=("gone",))
    assert desk.place.column("mail", "ref") == ["gone", "hook", "listed"]
    await desk.journal.events.published([event.id for event in await desk.events()])
    desk.clock.pass_(days=8)
    while await desk.journal.upkeep.purge():
        pass
    assert desk.place.column("mail", "ref") == ["listed"]
    await _changed(desk, "c3", deleted=("listed",))
    assert desk.place.rows("mail") == 0
    assert len(await _deletions(desk)) == 1


async def test_another_number_s_mailbox_begins_anew(desk: Desk) -> None:
    """Equal ids are other messages; what was not fetched of the former one is told to a person."""
    await desk.journal.mailbox.belongs(LINE, "+12065550150")
    await _compared(desk, entry("m-1"))
    await _fetch(desk)
    await _changed(desk, "c2", ("m-2",))
    await desk.journal.mailbox.belongs(LINE, "+12065550150")
    assert (await desk.journal.mailbox.standing(LINE)).cursor == "c2"
    await desk.journal.mailbox.belongs(LINE, "+12065550151")
    await desk.reopen()
    assert await desk.journal.mailbox.standing(LINE) == MailboxStanding()
    assert await desk.arriving() == []
    [left] = await desk.journal.dead.list(10)
    assert (left["kind"], left["what"]) == ("damaged", "mail")
    assert await _compared(desk, entry("m-1")) == Changed(added=1)
    assert await _deletions(desk) == []


async def test_a_mailbox_of_which_nobody_knows_whose_it_was_goes_on(desk: Desk) -> None:
    """An older relay did not write it down."""
    await _compared(desk, entry("m-1"))
    await desk.journal.mailbox.belongs(LINE, "+12065550150")
    assert (await desk.journal.mailbox.standing(LINE)).cursor == "c1"
    assert await desk.journal.dead.list(10) == []


async def test_an_update_that_says_nothing_is_told_once_while_the_cursor_stands(desk: Desk) -> None:
    """And again where it moves."""
    await _compared(desk, entry("m-1"))
    for cursor in ("c1", "c1", "c1", "c2", "c2"):
        await _changed(desk, cursor, updated=(entry("m-1", is_unread=None),))
    assert len(await _updates(desk)) == 3
