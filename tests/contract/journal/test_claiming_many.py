"""Calls that are claimed together, and answers that are written down together, are as they would be one by one."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.domain.addresses import outbound
from relay.domain.messages import CallAnswer, Handover, OnUncertain, OutboundCall, Priority
from relay.domain.states import Fact
from relay.journal.limitrows import Limit
from relay.rules.lanes import Lanes, Places
from relay.rules.line import LineRules, Rules
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, PROBLEM, START, Desk
from tests.contract.journal.places import DATABASES, Place, ground

PEOPLE = tuple(outbound(f"+1206555010{digit}") for digit in range(6))
SOMEBODY = st.integers(0, len(PEOPLE) - 1)
ASK = st.fixed_dictionaries(
    {
        "to": st.lists(SOMEBODY, min_size=1, max_size=4, unique=True),
        "text": st.sampled_from(("same", "other", "same", "own")),
        "size": st.sampled_from((1, 3)),
        "priority": st.sampled_from((Priority.NORMAL,) * 3 + (Priority.HIGH, Priority.BULK)),
        "ttl": st.sampled_from((None, None, None, 45.0)),
        "later": st.sampled_from((0, 0, 0, 60)),
        "receipts": st.booleans(),
        "group": st.sampled_from((False, False, False, True)),
        "on_uncertain": st.sampled_from(OnUncertain),
    }
)
CLAIM = st.tuples(st.integers(1, 9), st.integers(0, 3))  # free places, and how many others than high have one
ENDS = ("taken", "taken", "taken", "untracked", "partly", "retry", "release", "unanswered", "left")
STEP = st.one_of(
    st.tuples(st.just("ask"), st.lists(ASK, min_size=1, max_size=6)),
    st.tuples(st.just("claim"), CLAIM),
    st.tuples(st.just("stop"), SOMEBODY),
    st.tuples(st.just("pass"), st.sampled_from((1, 30, 61, 601))),
)
RULES = st.builds(
    LineRules,
    line=st.just(LINE),
    calls_per_second=st.sampled_from((None, None, None, 0.1)),
    calls_per_day=st.sampled_from((None, None, 3, 7)),
    company=st.sampled_from((0.0, 0.0, 30.0)),
)


@dataclass
class Office:
    """Somebody who claims and answers, together or one by one, and what came of it."""

    desk: Desk
    together: bool
    lanes: Lanes = field(default_factory=Lanes)
    names: dict[str, str] = field(default_factory=dict)  # of the copies, the same in every office
    told: list[Any] = field(default_factory=list)
    made: int = 0

    async def ask(self, asks: Sequence[dict[str, Any]]) -> None:
        """Have requests accepted."""
        for ask in asks:
            to, later = [PEOPLE[place] for place in ask["to"]], ask["later"]
            wishes = {name: ask[name] for name in ("text", "size", "priority", "receipts", "group", "on_uncertain")}
            send_at = self.desk.clock.now() + timedelta(seconds=later) if later else None
            answer = await self.desk.send(*to, ttl=ask["ttl"], send_at=send_at, **wishes)
            request = len(self.names)
            for place, copy in enumerate(answer.body.get("copies", ())):
                self.names[copy["copy_id"]] = f"{request}-{place}"

    async def stop(self, who: int) -> None:
        """Somebody wants nothing more."""
        await self.desk.journal.optouts.add([PEOPLE[who].value])

    async def claim(self, free: int, ordinary: int) -> None:
        """Claim what there is room for, and let it end in some way."""
        places = Places(self.lanes, free + ordinary, free, ordinary, free)
        calls = await (self._together(places) if self.together else self._one_by_one(places))
        for call in calls:
            self.lanes.served(call.lane)
            self.told.append((call.lane, call.attempt, [self.names[one] for one in call.copy_ids], call.text))
        ends = [self._end(call) for call in calls]
        if self.together:
            await asyncio.gather(*ends)
        else:
            for end in ends:
                await end

    async def _together(self, places: Places) -> Sequence[OutboundCall]:
        claimed = await self.desk.journal.calls.claim_some(LINE, ME, places)
        return claimed.calls

    async def _one_by_one(self, places: Places) -> Sequence[OutboundCall]:
        calls, now = [], places.copy()
        while now.open_lanes:
            call = await self.desk.journal.calls.claim(LINE, ME, lanes=now.open_lanes)
            if call is None:
                break
            calls.append(call)
            now.take(call.lane)
        return calls

    def _end(self, call: OutboundCall) -> Awaitable[Any]:
        self.made += 1
        end, calls, about = ENDS[self.made * 7 % len(ENDS)], self.desk.journal.calls, (call.call_id, ME)
        match end:
            case "retry":
                return calls.retry(*about, PROBLEM, 20)
            case "release":
                return calls.release(*about)
            case "unanswered":
                return calls.unanswered(*about, PROBLEM)
            case "left":
                return asyncio.sleep(0)
        facts = [Fact.SUBMITTED if end == "taken" else Fact.SUBMITTED_UNTRACKED for _ in call.recipients]
        if end == "partly":
            facts[0] = Fact.REFUSED
        ref = f"SMS{self.made}" if end == "taken" else None
        answer = CallAnswer(ref, tuple(Handover(fact) for fact in facts))
        return calls.answered(*about, answer, first_look=15 if ref else None)

    async def outcome(self) -> Any:
        """What was claimed in this order, how all copies stand, and what was told of each."""
        receipts: dict[str, list[tuple[Any, ...]]] = {}
        for event in await self.desk.events("receipt"):
            body = event.body
            said = (body["status"], body["previous"], body["final"], body["attempt"], body["provider"]["message_id"])
            receipts.setdefault(self.names[body["copy_id"]], []).append(said)
        copies = {}
        for row in self.desk.place.read("SELECT id, state, ended, attempt, waits, unseen, remote_ref FROM copy"):
            copies[self.names[row["id"]]] = tuple(row.values())[1:]
        calls = "SELECT line, lane, stage, due_at, attempts, size, why, remote_ref, look_at, handed_over_at FROM call"
        standing = sorted(map(str, (tuple(row.values()) for row in self.desk.place.read(calls))))
        return self.told, receipts, copies, standing, self.desk.place.column("message", "open_copies")


async def _history(place: Place, rules: LineRules, steps: Sequence[tuple[str, Any]], *, together: bool) -> Any:
    desk = await Desk.at(place)
    try:
        desk.journal.follow(Rules({LINE: rules}))
        office = Office(desk, together)
        for what, about in (*steps, ("claim", (9, 0))):
            match what:
                case "ask":
                    await office.ask(about)
                case "claim":
                    await office.claim(*about)
                case "stop":
                    await office.stop(about)
                case _:
                    desk.clock.pass_(seconds=about)
        return await office.outcome()
    finally:
        await desk.journal.aclose()


@pytest.mark.parametrize("database", DATABASES)
@settings(max_examples=settings().max_examples * 2 // 5)
@given(rules=RULES, steps=st.lists(STEP, min_size=3, max_size=14))
def test_what_is_claimed_together_is_what_would_be_claimed_one_by_one(
    database: str, rules: LineRules, steps: list[tuple[str, Any]]
) -> None:
    """The same calls, in the same order, with the same copies; and the same is written down of how they end."""
    with ground(database) as here, ground(database) as there:
        one_by_one = asyncio.run(_history(here, rules, steps, together=False))
        assert asyncio.run(_history(there, rules, steps, together=True)) == one_by_one


async def _campaign(desk: Desk, number: int, rules: LineRules | None = None, **wishes: Any) -> None:
    desk.journal.follow(Rules({LINE: rules or LineRules(LINE)}))
    await asyncio.gather(
        *(desk.send(outbound(f"+1206557{place:04d}"), size=1, ttl=None, **wishes) for place in range(number))
    )


def _room(most: int) -> Places:
    """Room for so many calls, of any lane."""
    return Places(Lanes(), 1_000, 500, 0, most)


async def test_a_claim_gives_as_many_calls_as_there_are_places(desk: Desk) -> None:
    """In one commit; and says nothing of what is due, where it has not looked."""
    await _campaign(desk, 70)
    commits = desk.journal.commits
    claimed = await desk.journal.calls.claim_some(LINE, ME, _room(60))
    assert (len(claimed.calls), claimed.outlook, desk.journal.commits) == (60, None, commits + 1)
    assert len({call.call_id for call in claimed.calls}) == 60
    assert set(desk.place.column("call", "stage")) == {"in_flight", "waiting"}
    assert desk.place.column("call", "stage").count("in_flight") == 60


async def test_a_claim_that_comes_up_short_says_what_is_due_next(desk: Desk) -> None:
    """So that nobody has to look once more."""
    await _campaign(desk, 3)
    await desk.send(BOB, send_at=START + timedelta(minutes=5))
    claimed = await desk.journal.calls.claim_some(LINE, ME, _room(10))
    assert len(claimed.calls) == 3
    assert claimed.outlook is not None
    assert (claimed.outlook.due, claimed.outlook.limit) == (START + timedelta(minutes=5), None)


async def test_a_pace_lets_one_call_of_a_claim_begin(desk: Desk) -> None:
    """The next one waits for its moment, to the microsecond."""
    await _campaign(desk, 10, LineRules(LINE, calls_per_second=4.0))
    begun = []
    for _ in range(10):
        claimed = await desk.journal.calls.claim_some(LINE, ME, _room(10))
        begun.append((len(claimed.calls), desk.clock.now()))
        if claimed.outlook is not None:
            desk.clock.time = claimed.outlook.due or desk.clock.time
    assert begun == [(1, START + timedelta(seconds=0.25) * place) for place in range(10)]


async def test_a_budget_is_spent_to_its_last_call_and_not_over(desk: Desk) -> None:
    """However many places are free."""
    await _campaign(desk, 10, LineRules(LINE, calls_per_day=4))
    claimed = await desk.journal.calls.claim_some(LINE, ME, _room(10))
    assert len(claimed.calls) == 4
    assert claimed.outlook is not None
    assert claimed.outlook.limit is Limit.DAY
    assert (await desk.journal.limits.standing(LINE)).today == 4
    assert (await desk.journal.calls.claim_some(LINE, ME, _room(10))).calls == []


async def test_a_line_that_is_held_begins_nothing(desk: Desk) -> None:
    """And says so."""
    await _campaign(desk, 2)
    await desk.journal.steering.hold_line(LINE)
    claimed = await desk.journal.calls.claim_some(LINE, ME, _room(10))
    assert claimed.calls == []
    assert claimed.outlook is not None
    assert (claimed.outlook.due, claimed.outlook.limit) == (None, Limit.HELD)


async def test_the_last_free_place_is_left_to_the_high_lane(desk: Desk) -> None:
    """A campaign fills all others, whatever waits."""
    await _campaign(desk, 10, priority=Priority.BULK)
    claimed = await desk.journal.calls.claim_some(LINE, ME, Places(Lanes(), 8, 8, 0, 8))
    assert len(claimed.calls) == 7
    assert claimed.outlook is not None
    assert claimed.outlook.due is None
    await desk.send(ALICE, priority=Priority.HIGH)
    [high] = (await desk.journal.calls.claim_some(LINE, ME, Places(Lanes(), 8, 1, 7, 1))).calls
    assert high.recipients[0].address == ALICE


async def test_a_claim_that_is_cancelled_gives_all_of_its_calls_back(desk: Desk) -> None:
    """Nothing was written, so nothing is uncertain, and none has lost its place."""
    await _campaign(desk, 5)
    claiming = asyncio.create_task(desk.journal.calls.claim_some(LINE, ME, _room(10)))
    await asyncio.sleep(0)
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    again = await desk.journal.calls.claim_some(LINE, ME, _room(10))
    assert [call.attempt for call in again.calls] == [1] * 5
    assert await desk.statuses() == []


async def test_a_claim_ends_where_it_has_many_copies(desk: Desk) -> None:
    """Nobody waits for more than that; the rest is there for the next claim."""
    for lot in range(4):
        await desk.send(*(outbound(f"+120{lot + 2}557{place:04d}") for place in range(200)), size=200)
    counts = [len((await desk.journal.calls.claim_some(LINE, ME, _room(10))).calls) for _ in range(3)]
    assert sum(counts) == 4
    assert 2 <= counts[0] <= 3


async def test_answers_that_come_together_are_each_told_once(desk: Desk) -> None:
    """With their own ids and sequences; what is wrong with one is not the others' trouble."""
    await _campaign(desk, 6)
    calls = (await desk.journal.calls.claim_some(LINE, ME, _room(10))).calls
    answers = [CallAnswer(f"SMS{place}", (Handover(Fact.SUBMITTED),)) for place, _ in enumerate(calls)]
    answers[2] = CallAnswer("SMS2", (Handover(Fact.SUBMITTED), Handover(Fact.SUBMITTED)))
    commits = desk.journal.commits
    ends = await asyncio.gather(
        *(
            desk.journal.calls.answered(call.call_id, ME, answer, first_look=15)
            for call, answer in zip(calls, answers, strict=True)
        ),
        desk.journal.calls.answered(calls[0].call_id, ME, answers[0], first_look=15),
        return_exceptions=True,
    )
    assert [end for end in ends if isinstance(end, bool)].count(True) == 5
    assert isinstance(ends[2], ValueError)
    assert desk.journal.commits >= commits + 1
    receipts = await desk.events("receipt")
    assert sorted(event.body["provider"]["message_id"] for event in receipts) == [
        "SMS0",
        "SMS1",
        "SMS3",
        "SMS4",
        "SMS5",
    ]
    assert {event.sequence for event in receipts} == {2}
    assert desk.place.column("call", "stage") == ["followed"] * 5 + ["in_flight"]
