"""What an operator may do with what waits: copies held, released, tried again, canceled; lines held."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from relay.domain.addresses import Address, outbound
from relay.domain.messages import Priority, Reply
from relay.domain.states import State
from relay.domain.waiting import Left, Why
from relay.journal import AmbiguousId, Steered, UnknownId, Wanted
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, Desk
from tests.contract.journal.machine import Machine, on_each_database

T = TypeVar("T")
DAVE = outbound("+12065550104")


async def ids_of(desk: Desk, *to: Address, **wishes: Any) -> list[str]:
    """Have a request accepted: the ids of its copies."""
    return [one["copy_id"] for one in (await desk.send(*to, **wishes)).body["copies"]]


async def only(verb: Awaitable[list[Steered]]) -> Steered:
    """What came of the one id that was named."""
    [steered] = await verb
    return steered


async def recipients(desk: Desk) -> list[str]:
    """The copies that the next call carries; none where none is due."""
    call = await desk.journal.calls.claim(LINE, ME)
    return [] if call is None else [one.copy_id for one in call.recipients]


async def why(desk: Desk, about: str) -> list[tuple[str | None, datetime | None]]:
    """What each call of this id waits for, and until when."""
    found = await desk.journal.queries.shown(about)
    return [(call["why"], call["due_at"]) for call in found["calls"]]


async def test_a_copy_that_is_held_is_not_sent_and_the_others_go(desk: Desk) -> None:
    """It leaves the call that it shares; a kill changes nothing; once released it is due at once."""
    first, second, third = await ids_of(desk, ALICE, BOB, CAROL)
    assert await desk.journal.steering.hold([second]) == [Steered(second, 1)]
    assert await why(desk, second) == [("held", None)]
    left = await desk.after_kill()
    assert await recipients(left) == [first, third]
    assert await left.none_due()
    assert await left.journal.steering.release([second]) == [Steered(second, 1)]
    assert await recipients(left) == [second]
    await left.journal.aclose()


async def test_what_waits_for_a_time_waits_for_it_again_after_its_release(desk: Desk) -> None:
    """The time that was wished is not forgotten; the call keeps its id, because all of it was held."""
    at = desk.clock.now() + timedelta(hours=1)
    await desk.send(ALICE, BOB, send_at=at, key="k")
    [call] = (await desk.journal.queries.shown("k"))["calls"]
    await desk.journal.steering.hold(["k"])
    assert (await desk.journal.queries.status())["lines"][LINE]["oldest_due"] is None
    desk.clock.pass_(minutes=30)
    assert await desk.journal.steering.release([call["call_id"]]) == [Steered(call["call_id"], 2)]
    assert await why(desk, "k") == [("send_at", at)]
    assert await desk.none_due()
    await desk.journal.steering.hold(["k"])
    desk.clock.pass_(hours=1)
    await desk.journal.steering.release(["k"])
    assert await why(desk, "k") == [(None, at)]
    assert len(await recipients(desk)) == 2


async def test_a_held_copy_lets_later_texts_to_its_number_pass(desk: Desk) -> None:
    """Also those that had begun to wait behind it."""
    [first] = await ids_of(desk, text="one")
    [second] = await ids_of(desk, text="two", key="later")
    call = await desk.claim()
    await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 60)
    assert await desk.none_due()
    assert (await why(desk, second))[0][0] == "order"
    await desk.journal.steering.hold([first])
    assert await recipients(desk) == [second]


async def test_what_waited_in_order_is_due_when_it_is_released(desk: Desk) -> None:
    """It is looked at anew: nothing is before it now."""
    await desk.send(text="one")
    [second] = await ids_of(desk, text="two")
    call = await desk.claim()
    assert await desk.none_due()
    await desk.journal.steering.hold([second])
    await desk.hand_over(call)
    assert await desk.none_due()
    await desk.journal.steering.release([second])
    assert await recipients(desk) == [second]


async def test_nobody_joins_a_call_that_is_held(desk: Desk) -> None:
    """The same words to another number go at once; also those that were released meanwhile stay apart."""
    [held] = await ids_of(desk, ALICE)
    await desk.journal.steering.hold([held])
    [free] = await ids_of(desk, BOB)
    assert await recipients(desk) == [free]


async def test_what_is_held_expires_and_can_be_canceled(desk: Desk) -> None:
    """Each ends once."""
    await desk.send(ALICE, key="dies", ttl=60)
    await desk.send(BOB, key="stops")
    await desk.journal.steering.hold(["dies", "stops"])
    desk.clock.pass_(seconds=61)
    await desk.journal.upkeep.expire()
    assert await desk.standing("dies") == ["expired"]
    answer = await desk.journal.commands.cancel(LINE, None, "stops", None, Reply())
    assert answer.outcome == "canceled"
    for key in ("dies", "stops"):
        [(about, copies, left)] = [
            (one.about, one.copies, dict(one.left)) for one in await desk.journal.steering.release([key])
        ]
        status = {"dies": "expired", "stops": "canceled"}[key]
        assert (about, copies, left) == (key, 0, {(Left.ENDED, status): 1})
    assert await desk.journal.queries.queue(Wanted(held=True)) == []


async def test_what_cannot_be_held_any_more_is_said_and_counted(desk: Desk) -> None:
    """Each copy with its reason and its status."""
    for to, key in ((ALICE, "flying"), (BOB, "there"), (CAROL, "doubtful"), (DAVE, "waits")):
        await desk.send(to, key=key, text=key)
    flying, there, doubtful = [await desk.claim() for _ in range(3)]
    assert flying.text == "flying"
    await desk.hand_over(there)
    await desk.journal.calls.unanswered(doubtful.call_id, ME, PROBLEM)
    done = await desk.journal.steering.hold(["flying", "there", "doubtful", "waits"])
    assert [(one.copies, dict(one.left)) for one in done] == [
        (0, {(Left.UNDER_WAY, "sending"): 1}),
        (0, {(Left.HANDED_OVER, "submitted"): 1}),
        (0, {(Left.UNCERTAIN, "uncertain"): 1}),
        (1, {}),
    ]
    assert (await only(desk.journal.steering.hold(["waits"]))).left == {(Left.HELD, "queued"): 1}
    assert (await only(desk.journal.steering.retry(["waits"]))).left == {(Left.HELD, "queued"): 1}
    assert (await only(desk.journal.steering.release(["flying"]))).left == {(Left.UNDER_WAY, "sending"): 1}
    detail = {"why": "handed_over", "status": "submitted", "copies": 1, "detail": Left.HANDED_OVER.sentence}
    assert done[1].as_body() == {"id": "there", "copies": 0, "left": [detail]}


async def test_a_group_is_steered_as_a_whole(desk: Desk) -> None:
    """Whoever holds one of it would send another group to the others."""
    first, _ = await ids_of(desk, ALICE, BOB, group=True, key="group")
    for verb in (desk.journal.steering.hold, desk.journal.steering.cancel):
        assert await verb([first]) == [Steered(first, 0, {(Left.GROUP, "queued"): 1})]
    assert await desk.journal.steering.hold(["group"]) == [Steered("group", 2)]
    assert await desk.journal.steering.release([first]) == [Steered(first, 0, {(Left.GROUP, "queued"): 1})]
    assert await desk.journal.steering.release(["group"]) == [Steered("group", 2)]
    assert len(await recipients(desk)) == 2


async def test_a_retry_is_made_now(desk: Desk) -> None:
    """Only what waits to be tried again; what never failed waits for something else."""
    await desk.send(ALICE, BOB, key="failed")
    await desk.send(CAROL, key="later", send_at=desk.clock.now() + timedelta(hours=1))
    await desk.journal.calls.retry((await desk.claim()).call_id, ME, PROBLEM, 600)
    assert (await why(desk, "failed"))[0][0] == "retry"
    assert (await only(desk.journal.steering.retry(["later"]))).left == {(Left.NO_RETRY, "scheduled"): 1}
    assert await desk.journal.steering.retry(["failed"]) == [Steered("failed", 2)]
    assert len(await recipients(desk)) == 2


async def test_what_is_uncertain_is_sent_again_together(desk: Desk) -> None:
    """Copies of one call in one call; nothing waits for a person any more; who comes again is told that it is over."""
    await desk.send(ALICE, BOB, key="k")
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    assert await desk.journal.steering.retry(["k"]) == [Steered("k", 2)]
    assert await desk.journal.dead.list(10) == []
    call = await desk.claim()
    assert len(call.recipients) == 2
    await desk.hand_over(call)
    assert (await only(desk.journal.steering.retry(["k"]))).left == {(Left.HANDED_OVER, "submitted"): 2}


async def test_a_copy_is_canceled_with_its_receipt_and_the_others_go(desk: Desk) -> None:
    """As a cancel on the bus tells it."""
    first, second = await ids_of(desk, ALICE, BOB)
    assert await desk.journal.steering.cancel([first]) == [Steered(first, 1)]
    [receipt] = await desk.bodies("receipt")
    assert (receipt["copy_id"], receipt["status"], receipt["final"]) == (first, "canceled", True)
    assert await recipients(desk) == [second]
    done = await desk.journal.steering.cancel(["key-1"])
    assert done == [Steered("key-1", 0, {(Left.ENDED, "canceled"): 1, (Left.UNDER_WAY, "sending"): 1})]


async def test_much_is_steered_in_pieces(desk: Desk) -> None:
    """A request of 1,100 copies takes three transactions, and no call is divided by them."""
    many = [outbound(f"+1206556{number:04}") for number in range(1_100)]
    await desk.send(*many, key="big", size=15)
    commits = desk.journal.commits
    assert await desk.journal.steering.hold(["big"]) == [Steered("big", 1_100)]
    assert desk.journal.commits == commits + 3
    assert len((await desk.journal.queries.shown("big"))["calls"]) == -(-1_100 // 15)
    assert await desk.journal.steering.cancel(["big"]) == [Steered("big", 1_100)]
    assert await desk.journal.steering.cancel(["big"]) == [Steered("big", 0, {(Left.ENDED, "canceled"): 1_100})]


async def test_a_whole_line_is_canceled(desk: Desk) -> None:
    """What is under way or uncertain is counted; what waits on other lines stays; a limit ends it early."""
    for number in range(4):
        await desk.send(outbound(f"+1206556{number:04}"), text=str(number))
    await desk.send(line="other", key="elsewhere")
    await desk.claim()
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    some, more = await desk.journal.steering.cancel_line(LINE, limit=1)
    assert (some.about, some.copies, more) == (LINE, 2, True)
    rest, more = await desk.journal.steering.cancel_line(LINE)
    assert (rest.copies, more) == (0, False)
    assert dict(rest.left) == {(Left.UNDER_WAY, "sending"): 1, (Left.UNCERTAIN, "uncertain"): 1}
    assert [one["request_id"] for one in await desk.journal.queries.queue(Wanted("other"))] == ["elsewhere"]


async def test_a_held_line_takes_requests_and_begins_nothing(desk: Desk) -> None:
    """Until it is released, over restarts as well; whoever sends is woken then."""
    steering = desk.journal.steering
    assert await steering.held(LINE) is None
    since = await steering.hold_line(LINE)
    assert since == desk.clock.now()
    desk.clock.pass_(minutes=1)
    assert (await desk.send()).outcome == "accepted"
    assert await desk.none_due()
    assert await desk.journal.calls.next_due(LINE) is None
    await desk.reopen()
    steering = desk.journal.steering
    assert await steering.hold_line(LINE) == since
    assert await steering.held(LINE) == since
    assert await desk.none_due()
    bell = desk.journal.listen(f"calls:{LINE}")
    assert await steering.release_line(LINE)
    async with asyncio.timeout(5):
        await bell.wait()
    assert await steering.held(LINE) is None
    assert not await steering.release_line(LINE)
    assert len(await recipients(desk)) == 1


async def test_other_lines_go_on(desk: Desk) -> None:
    """A hold is one line's."""
    await desk.journal.steering.hold_line(LINE)
    await desk.send(line="other")
    assert not await desk.none_due("other")


async def test_an_id_that_nothing_has_changes_nothing(desk: Desk) -> None:
    """Nor do those that were named with it."""
    await desk.send(key="k")
    for ids, line in ((["k", "nothing"], None), (["k"], "other"), (["' OR 1=1 --\0\ud800"], None)):
        with pytest.raises(UnknownId):
            await desk.journal.steering.hold(ids, line)
    assert len(await recipients(desk)) == 1


async def test_an_id_that_several_requests_have_must_be_told_apart(desk: Desk) -> None:
    """By the line, or by the message's own id."""
    await desk.send(key="k")
    await desk.send(key="k", line="other")
    with pytest.raises(AmbiguousId, match="alerts, other"):
        await desk.journal.steering.hold(["k"])
    assert await desk.journal.steering.hold(["k"], "other") == [Steered("k", 1)]
    message_id = (await desk.send(BOB, key="k", client="shop")).message_id
    with pytest.raises(AmbiguousId, match=str(message_id)):
        await desk.journal.steering.hold(["k"], LINE)
    assert await desk.journal.steering.hold([str(message_id)]) == [Steered(str(message_id), 1)]


async def test_copies_of_several_requests_in_one_call_are_steered_each_for_itself(desk: Desk) -> None:
    """Or together, by the id of the call."""
    [first] = await ids_of(desk, ALICE, key="one")
    [second] = await ids_of(desk, BOB, key="two")
    found = await desk.journal.queries.shown("one")
    assert [one["copy_id"] for one in found["copies"]] == [first]
    call_id = found["calls"][0]["call_id"]
    assert [one["copy_id"] for one in (await desk.journal.queries.shown(call_id))["copies"]] == [first, second]
    assert await desk.journal.steering.hold(["one"]) == [Steered("one", 1)]
    assert await recipients(desk) == [second]


async def test_the_queue_is_listed(desk: Desk) -> None:
    """By line, by status, and what is held; without any text or number."""
    await desk.send(ALICE, key="now", client="shop", priority=Priority.HIGH, ttl=3600)
    await desk.send(BOB, key="then", send_at=desk.clock.now() + timedelta(hours=1))
    await desk.send(CAROL, key="held", text="another")
    await desk.send(DAVE, key="there", line="other")
    await desk.journal.steering.hold(["held"])
    await desk.claim()

    async def keys(wanted: Wanted) -> list[str]:
        return [one["request_id"] for one in await desk.journal.queries.queue(wanted)]

    assert await keys(Wanted()) == ["now", "held", "there", "then"]
    assert await keys(Wanted(LINE, limit=2)) == ["now", "held"]
    assert await keys(Wanted(status="scheduled")) == ["then"]
    assert await keys(Wanted(status="uncertain")) == []
    assert await keys(Wanted(held=True)) == await keys(Wanted(LINE, "queued", held=True)) == ["held"]
    assert await keys(Wanted("other", held=True)) == await keys(Wanted(status="sending", held=True)) == []
    now, held, *_ = await desk.journal.queries.queue(Wanted())
    assert (now["status"], now["client"], now["lane"], now["attempts"], now["why"]) == (
        "sending",
        "shop",
        "high",
        1,
        None,
    )
    assert (held["status"], held["why"], held["due_at"]) == ("queued", "held", None)
    assert "+1206" not in repr(await desk.journal.queries.queue(Wanted()))


# what is true in whatever order it is done


@dataclass
class Known:
    """What an operator remembers of a copy."""

    held: bool = False
    ended: bool = False


class Steering(Machine):
    """An operator, a sender, time and kills, as they come."""

    @initialize()
    def open(self) -> None:
        """An empty journal."""
        self.begin()
        self.known: dict[str, Known] = {}
        self.line_held = False
        self.sent = 0

    @rule(
        to=st.lists(st.sampled_from((ALICE, BOB, CAROL, DAVE)), min_size=1, max_size=3, unique=True),
        words=st.sampled_from(("one", "two")),
        later=st.sampled_from((None, 30, 300)),
        ttl=st.sampled_from((None, 400)),
    )
    def send(self, to: list[Address], words: str, later: int | None, ttl: int | None) -> None:
        """A request is accepted."""
        send_at = None if later is None else self.desk.clock.now() + timedelta(seconds=later)
        self.sent += 1
        answer = self.do(self.desk.send(*to, size=2, text=words, send_at=send_at, ttl=ttl, key=f"k{self.sent}"))
        self.known |= {one["copy_id"]: Known() for one in answer.body["copies"]}

    @rule(data=st.data(), verb=st.sampled_from(("hold", "release", "retry", "cancel")), whole=st.booleans())
    def steer(self, data: st.DataObject, verb: str, whole: bool) -> None:
        """An operator names a copy, or a message."""
        if not self.known:
            return
        chosen = data.draw(st.sampled_from(sorted(self.known)))
        about = chosen.rpartition("-")[0] if whole else chosen
        named = [copy_id for copy_id in self.known if copy_id == about or copy_id.rpartition("-")[0] == about]
        before = {one["copy_id"]: one for one in self.do(self.desk.journal.queries.shown(about))["copies"]}
        [done] = self.do(getattr(self.desk.journal.steering, verb)([about]))
        assert done.copies + sum(done.left.values()) == len(named)
        steered = [copy_id for copy_id in named if self._may(verb, copy_id, before[copy_id])]
        assert done.copies == len(steered)
        for copy_id in steered:
            self.known[copy_id].held = {"hold": True, "release": False}.get(verb, self.known[copy_id].held)
            self.known[copy_id].ended = verb == "cancel"

    def _may(self, verb: str, copy_id: str, before: dict[str, Any]) -> bool:
        held, waits = self.known[copy_id].held, before["status"] in ("scheduled", "queued", "sending")
        in_flight = copy_id in self._under_way()
        if verb == "retry":
            return before["status"] == "uncertain" or (before["why"] == Why.RETRY and not in_flight)
        return waits and not in_flight and {"hold": not held, "release": held, "cancel": True}[verb]

    def _under_way(self) -> set[str]:
        return {
            one["copy_id"]
            for one in self.do(self.desk.journal.queries.queue(Wanted(status="sending")))
            if one["why"] is None and one["due_at"] is None
        }

    @rule(
        ending=st.sampled_from(("hand_over", "retry", "retry soon", "unanswered", "release", "nothing")),
    )
    def claim(self, ending: str) -> None:
        """A sender makes a call; what is held never is in it."""
        call = self.do(self.desk.journal.calls.claim(LINE, ME))
        if call is None:
            return
        assert not self.line_held
        assert not [one for one in call.recipients if self.known[one.copy_id].held or self.known[one.copy_id].ended]
        calls = self.desk.journal.calls
        match ending:
            case "hand_over":
                self.do(self.desk.hand_over(call, None))
                for one in call.recipients:
                    self.known[one.copy_id].ended = True
            case "retry" | "retry soon":
                self.do(calls.retry(call.call_id, ME, PROBLEM, 60 if ending == "retry" else 0))
            case "unanswered":
                self.do(calls.unanswered(call.call_id, ME, PROBLEM))
            case "release":
                self.do(calls.release(call.call_id, ME))

    @rule(held=st.booleans())
    def hold_line(self, held: bool) -> None:
        """An operator holds the line, or lets it go."""
        self.line_held = held
        self.do(getattr(self.desk.journal.steering, "hold_line" if held else "release_line")(LINE))

    @rule(seconds=st.sampled_from((1, 61, 301)))
    def wait(self, seconds: int) -> None:
        """Time passes, and the janitor comes."""
        self.desk.clock.pass_(seconds=seconds)
        self.do(self.desk.journal.upkeep.expire())

    @rule(kill=st.booleans())
    def restart(self, kill: bool) -> None:
        """Relay ends, one way or the other, and starts again."""
        if kill:
            left = self.desk.place.after_kill()
            self.do(self.desk.journal.aclose())
            self.desk = self.do(Desk.at(left, self.desk.clock))
        else:
            self.do(self.desk.reopen())
        self.do(self.desk.journal.calls.recover())

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every copy is where it should be, and what is held is listed as held."""
        listed = {one["copy_id"]: one for one in self.do(self.desk.journal.queries.queue(Wanted(limit=10_000)))}
        shown = {one: self._status(one) for one in self.known}
        for copy_id, state in shown.items():
            if state.final:
                self.known[copy_id] = Known(ended=True)
            assert (copy_id in listed) == (state.rank <= State.UNCERTAIN.rank)
        held = {one["copy_id"] for one in self.do(self.desk.journal.queries.queue(Wanted(held=True)))}
        assert held == {copy_id for copy_id, known in self.known.items() if known.held}

    def _status(self, copy_id: str) -> State:
        [one] = self.do(self.desk.journal.queries.shown(copy_id))["copies"]
        return State.of(one["status"])

    def teardown(self) -> None:
        """What was not canceled, expired or handed over is sent in the end: nothing waits for ever."""
        self.do(self.desk.journal.calls.recover())
        self.do(self.desk.journal.steering.release_line(LINE))
        for copy_id, known in self.known.items():
            if known.held:
                self.do(self.desk.journal.steering.release([copy_id]))
        for _ in range(3 * len(self.known) + 3):
            self.desk.clock.pass_(seconds=301)
            while (call := self.do(self.desk.journal.calls.claim(LINE, ME))) is not None:
                self.do(self.desk.hand_over(call, None))
        waiting = self.do(self.desk.journal.queries.queue(Wanted(limit=10_000)))
        assert {one["status"] for one in waiting} <= {"uncertain"}
        super().teardown()


TestSteering, TestSteeringOnPostgresql = on_each_database(Steering, steps=30, examples=settings().max_examples // 3)
