"""Many nodes over one database: who lives, who holds which turn, and what becomes of a dead node's work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import CallAnswer, Handover, OnUncertain, RawAnswer
from relay.domain.states import Fact
from relay.ids import Ids
from relay.journal import Journal, JournalError, JournalFenced, JournalInUse
from tests.contract.journal.desk import ALICE, BOB, LINE, Desk, StillClock
from tests.contract.journal.places import Place, only

TURNS = ("bus", "line:alerts", "line:office", "upkeep")
LEASE = 0.4  # real seconds
ELSEWHERE = "another-boot/4026531836/1/100"  # a process of another machine

pytestmark = only("postgresql", because="a file has one relay at a time")

Joined = Callable[[str], Awaitable[Journal]]


@pytest.fixture
async def join(place: Place) -> AsyncIterator[Joined]:
    """Opens the journal as a node of this name."""
    await asyncio.to_thread(place.lay)
    clock = StillClock()
    async with AsyncExitStack() as stack:

        async def joining(name: str) -> Journal:
            journal = await Journal.open(place.url, clock=clock, ids=Ids(clock), node=name, lease=LEASE)
            return await stack.enter_async_context(journal)

        yield joining


async def buried(by: Journal, name: str) -> None:
    """Have a node beat until it has given `name` up for dead."""
    async with asyncio.timeout(20):
        while name not in (await by.nodes.beat(TURNS)).buried:
            pass


async def test_a_node_alone_holds_every_turn(join: Joined) -> None:
    """At its first beat."""
    first = await join("a")
    beat = await first.nodes.beat(TURNS)
    assert (beat.held, beat.surplus, beat.others) == (frozenset(TURNS), frozenset(), 0)


async def test_a_turn_has_one_holder(join: Joined) -> None:
    """However many nodes ask for it at once, and how often."""
    nodes = [await join(name) for name in "abc"]
    for _ in range(5):
        beats = await asyncio.gather(*(node.nodes.beat(TURNS) for node in nodes))
        held = [turn for beat in beats for turn in beat.held]
        assert len(held) == len(set(held))
    assert sorted(held) == sorted(TURNS)


async def test_turns_are_shared_out(join: Joined) -> None:
    """Whoever has too many is told which to give back, and whoever comes takes them."""
    first = await join("a")
    await first.nodes.beat(TURNS)
    second = await join("b")
    for _ in range(len(TURNS)):
        beat = await first.nodes.beat(TURNS)
        await first.nodes.release(beat.surplus)
        await second.nodes.beat(TURNS)
    assert {len((await node.nodes.beat(TURNS)).held) for node in (first, second)} == {2}
    assert not (await first.nodes.beat(TURNS)).surplus


async def test_a_node_that_does_not_hear_the_bus_leaves_its_turns_to_others(join: Joined) -> None:
    """And has its part again when it does."""
    first = await join("a")
    await first.nodes.beat(TURNS)
    second = await join("b")
    beat = await first.nodes.beat(TURNS, is_deaf=True)
    assert beat.surplus == beat.held == frozenset(TURNS)
    await first.nodes.release(beat.surplus)
    assert (await second.nodes.beat(TURNS)).held == frozenset(TURNS)
    assert not (await first.nodes.beat(TURNS, is_deaf=True)).held
    await first.nodes.beat(TURNS)
    assert (await second.nodes.beat(TURNS)).surplus


async def test_where_nobody_hears_the_bus_turns_stay_where_they_are(join: Joined) -> None:
    """What comes in is read all the same."""
    first = await join("a")
    await first.nodes.beat(TURNS)
    second = await join("b")
    await second.nodes.beat(TURNS, is_deaf=True)
    beat = await first.nodes.beat(TURNS, is_deaf=True)
    assert (beat.held, beat.surplus) == (frozenset(TURNS), frozenset())
    third = await join("c")
    assert (await first.nodes.beat(TURNS, is_deaf=True)).surplus
    await third.nodes.leave()
    assert (await first.nodes.beat(TURNS, is_deaf=True)).held


async def test_a_node_that_leaves_is_followed_at_once(join: Joined) -> None:
    """Its turns are free, and the others hear of it."""
    first, second = await join("a"), await join("b")
    await first.nodes.beat(TURNS)
    bell = second.listen("nodes")
    await first.nodes.leave()
    async with asyncio.timeout(10):
        await bell.wait()
    assert (await second.nodes.beat(TURNS)).held == frozenset(TURNS)
    assert [node.name for node in await second.nodes.living()] == ["b"]


async def test_a_node_that_does_not_beat_is_given_up(join: Joined) -> None:
    """After its lease, by one that beats; its turns are taken in the same moment."""
    first, second = await join("a"), await join("b")
    await first.nodes.beat(TURNS)
    await buried(second, "a")
    assert (await second.nodes.beat(TURNS)).held == frozenset(TURNS)
    with pytest.raises(JournalFenced):
        await first.nodes.beat(TURNS)


async def test_nobody_is_given_up_by_one_who_did_not_beat_himself(join: Joined) -> None:
    """The database may have been away from all of them."""
    first, second = await join("a"), await join("b")
    await first.nodes.beat(TURNS)
    await second.nodes.beat(TURNS)
    await _until_over(second)
    assert (await second.nodes.beat(TURNS)).buried == ()
    assert (await first.nodes.beat(TURNS)).held
    assert (await second.nodes.beat(TURNS)).buried == ()


async def _until_over(node: Journal) -> None:
    """Wait until every life has lasted too long."""
    async with asyncio.timeout(20):
        while any(one.until > datetime.now(UTC) for one in await node.nodes.living()):
            pass


async def test_a_call_of_a_dead_node_is_uncertain(join: Joined, place: Place) -> None:
    """It is judged by whoever gives the node up, and is never simply made again."""
    first, second = await join("a"), await join("b")
    desk = Desk(place, first, StillClock())
    await desk.send(ALICE)
    call = await desk.claim(owner=first.owner)
    beat = await second.nodes.beat(TURNS)
    async with asyncio.timeout(20):
        while not beat.buried:
            beat = await second.nodes.beat(TURNS)
    assert (beat.buried, beat.cut, beat.uncertain) == (("a",), 1, 1)
    desk.journal = second
    assert [one["status"] for one in await desk.uncertain()] == ["uncertain"]
    assert await second.calls.claim(LINE, second.owner) is None
    assert not await first.calls.retry(call.call_id, first.owner, _PROBLEM, 1)


async def test_a_dead_node_begins_and_marks_nothing(join: Joined, place: Place) -> None:
    """Its claims and its marks are refused."""
    first, second = await join("a"), await join("b")
    desk = Desk(place, first, StillClock())
    await desk.send(ALICE)
    await buried(second, "a")
    events = await second.events.pending(0, 100)
    with pytest.raises(JournalFenced):
        await first.calls.claim(LINE, first.owner)
    with pytest.raises(JournalFenced):
        await first.events.published([event.id for _, event in events])
    with pytest.raises(JournalFenced):
        await first.memory(LINE).put("inbox.begun", b"", begins=True)
    assert await second.events.pending(0, 100) == events
    assert (await second.calls.claim(LINE, second.owner)) is not None


async def test_what_a_dead_node_has_read_is_kept(join: Joined) -> None:
    """Pages and web hooks: the provider may have deleted them."""
    first, second = await join("a"), await join("b")
    await buried(second, "a")
    kept = await first.raw.keep(LINE, "inbox", "", "", RawAnswer(b"page", "application/json"))
    assert [one.id for one in await second.raw.unread(LINE, source="inbox")] == [kept.id]


@pytest.mark.parametrize("wish", [OnUncertain.HOLD, OnUncertain.RESEND])
async def test_a_late_answer_is_evidence(join: Joined, place: Place, wish: OnUncertain) -> None:
    """A node that wakes up with the provider's answer in hand: nobody is asked, and nothing is sent again."""
    first, second = await join("a"), await join("b")
    desk = Desk(place, first, StillClock())
    await desk.send(ALICE, BOB, on_uncertain=wish)
    call = await desk.claim(owner=first.owner)
    await buried(second, "a")
    answer = CallAnswer("SMS1", tuple(Handover(Fact.SUBMITTED) for _ in call.recipients))
    told = await first.calls.answered(call.call_id, first.owner, answer, first_look=15, carried=call.copy_ids)
    assert told
    desk.journal = second
    assert await desk.standing() == ["submitted", "submitted"]
    assert await desk.uncertain() == []
    assert await desk.none_due()
    desk.clock.pass_(days=1)
    assert await desk.none_due()


async def test_a_late_refusal_is_evidence(join: Joined, place: Place) -> None:
    """What was uncertain has failed, for the provider's reason."""
    first, second = await join("a"), await join("b")
    desk = Desk(place, first, StillClock())
    await desk.send(ALICE)
    call = await desk.claim(owner=first.owner)
    await buried(second, "a")
    assert await first.calls.refused(call.call_id, first.owner, _PROBLEM, carried=call.copy_ids)
    desk.journal = second
    assert await desk.standing() == ["failed"]


async def test_a_late_answer_says_nothing_of_what_is_being_sent_again(join: Joined, place: Place) -> None:
    """The second call's own answer will."""
    first, second = await join("a"), await join("b")
    desk = Desk(place, first, StillClock())
    await desk.send(ALICE, on_uncertain=OnUncertain.RESEND)
    call = await desk.claim(owner=first.owner)
    await buried(second, "a")
    desk.clock = second.calls._clock  # type: ignore[assignment] # the one that the journals share
    desk.clock.pass_(days=1)
    again = await second.calls.claim(LINE, second.owner)
    assert again is not None
    answer = CallAnswer("SMS1", (Handover(Fact.SUBMITTED),))
    assert not await first.calls.answered(call.call_id, first.owner, answer, first_look=15, carried=call.copy_ids)
    assert await second.calls.answered(again.call_id, second.owner, answer, first_look=15)


async def test_a_new_life_of_a_name_ends_the_former_one(join: Joined) -> None:
    """In the same process: only one of them may go on."""
    first = await join("a")
    second = await join("a")
    assert (first.owner, second.owner) == ("a/1", "a/2")
    with pytest.raises(JournalFenced):
        await first.nodes.beat(TURNS)


async def test_a_name_that_lives_elsewhere_is_refused(join: Joined, place: Place) -> None:
    """As soon as its beat shows that it does."""
    await join("a")
    place.write("UPDATE node SET process = :elsewhere", elsewhere=ELSEWHERE)
    refused = asyncio.create_task(join("a"))
    while not refused.done():
        # What the other machine would do.
        place.write("UPDATE node SET until = until + 100000 WHERE ended_at IS NULL")
        await asyncio.sleep(0)
    with pytest.raises(JournalInUse, match="node a"):
        await refused


async def test_a_name_whose_machine_is_gone_is_free_after_its_lease(join: Joined, place: Place) -> None:
    """Nobody there has beaten."""
    await join("a")
    place.write("UPDATE node SET process = :elsewhere", elsewhere=ELSEWHERE)
    assert (await join("a")).owner == "a/2"


async def test_a_look_is_one_nodes(join: Joined, place: Place) -> None:
    """A final status can be asked for once."""
    first, second = await join("a"), await join("b")
    desk = Desk(place, first, first.calls._clock)  # type: ignore[arg-type] # the one that the journals share
    await desk.sent(ALICE)
    desk.clock.pass_(minutes=1)
    found = await asyncio.gather(*(node.looks.due(LINE, 10) for node in (first, second, first, second)))
    assert sorted(map(len, found)) == [0, 0, 0, 1]
    desk.clock.pass_(minutes=11)
    assert len(await second.looks.due(LINE, 10)) == 1


async def test_a_look_of_a_dead_node_is_due_at_once(join: Joined, place: Place) -> None:
    """The provider has it for half an hour only."""
    first, second = await join("a"), await join("b")
    desk = Desk(place, first, first.calls._clock)  # type: ignore[arg-type] # the one that the journals share
    await desk.sent(ALICE)
    desk.clock.pass_(minutes=1)
    assert len(await first.looks.due(LINE, 10)) == 1
    await buried(second, "a")
    assert len(await second.looks.due(LINE, 10)) == 1


async def test_counters_hold_over_nodes(place: Place) -> None:
    """The room in the queue is one for all nodes."""
    await asyncio.to_thread(place.lay)
    clock = StillClock()
    desks = []
    async with AsyncExitStack() as stack:
        for _ in range(2):
            desks.append(await Desk.at(place, clock, waiting_copies=3))
            await stack.enter_async_context(desks[-1].journal)
            desks[-1].journal.node = "other"
        await desks[1].send(ALICE, BOB, key="one")
        answer = await desks[1].send(ALICE, BOB, key="two")
        assert answer.outcome == "rejected"


async def test_what_one_node_commits_rings_on_the_others(join: Joined, place: Place) -> None:
    """Without any look into the database."""
    first, second = await join("a"), await join("b")
    bells = [second.bell(f"calls:{LINE}"), second.listen("events")]
    await Desk(place, first, StillClock()).send(ALICE)
    async with asyncio.timeout(10):
        await asyncio.gather(*(bell.wait() for bell in bells))
    first.ring("consent:office")
    async with asyncio.timeout(10):
        await second.bell("consent:office").wait()


async def test_two_nodes_take_no_call_twice(join: Joined, place: Place) -> None:
    """They claim at the same time, as fast as they can."""
    nodes = [await join(name) for name in "abc"]
    desk = Desk(place, nodes[0], StillClock())
    for _ in range(60):
        await desk.send(ALICE)
    found: list[str] = []

    async def work(node: Journal) -> None:
        while (call := await node.calls.claim(LINE, node.owner)) is not None:
            found.append(call.call_id)
            await node.calls.answered(call.call_id, node.owner, _TAKEN, first_look=None)

    await asyncio.gather(*(work(node) for node in nodes for _ in range(4)))
    assert len(found) == len(set(found)) == 60


async def test_a_left_journal_is_closed(join: Joined) -> None:
    """Nothing is written in a life that has ended by itself."""
    first = await join("a")
    await first.aclose()
    with pytest.raises(JournalError):
        await first.nodes.beat(TURNS)


_PROBLEM = Problem(ErrorCode.PROVIDER_ERROR, "the provider had a bad day")
_TAKEN = CallAnswer("SMS1", (Handover(Fact.SUBMITTED),))
