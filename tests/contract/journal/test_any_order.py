"""The promises that hold whatever happens in whatever order: random verbs against a real journal."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, invariant, multiple, rule
from sqlalchemy import RowMapping

from relay.domain.messages import CallAnswer, Handover, OnUncertain, OutboundCall, Reply
from relay.domain.states import Fact, State
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, Desk, delivered, seen
from tests.contract.journal.machine import Machine, on_each_database

TEXT = "Your order is on its way."
HANDED = (Fact.SUBMITTED, Fact.SUBMITTED_UNTRACKED, Fact.REFUSED, Fact.UNANSWERED, Fact.RETRIED, Fact.DELIVERED)
TOLD = (Fact.SUBMITTED, Fact.ON_NETWORK, Fact.DOUBTED, Fact.DELIVERED_UNCONFIRMED, Fact.DELIVERED, Fact.UNDELIVERED)


class AnyOrder(Machine):
    """Requests, calls, reports, time and kills, as they come."""

    calls: Bundle[OutboundCall] = Bundle("calls")

    @initialize()
    def open(self) -> None:
        """An empty journal."""
        self.begin()
        self.keys: list[str] = []
        self.refs = 0

    @rule(
        to=st.lists(st.sampled_from((ALICE, BOB, CAROL)), min_size=1, max_size=3, unique=True),
        size=st.integers(1, 3),
        wish=st.sampled_from(OnUncertain),
        receipts=st.booleans(),
        ttl=st.sampled_from((None, 60, 3600)),
    )
    def send(self, to: list[Any], size: int, wish: OnUncertain, receipts: bool, ttl: float | None) -> None:
        """A request is accepted."""
        key = f"k{len(self.keys)}"
        answer = self.do(self.desk.send(*to, size=size, key=key, on_uncertain=wish, receipts=receipts, ttl=ttl))
        assert answer.outcome == "accepted"
        self.keys.append(key)

    @rule(target=calls, unseen=st.booleans())
    def claim(self, unseen: bool) -> Any:
        """A sender takes a call, perhaps of a line that shows what it was given."""
        call = self.do(self.desk.journal.calls.claim(LINE, ME, unseen=unseen))
        return multiple() if call is None else call

    @rule(call=consumes(calls), data=st.data(), look=st.booleans())
    def answer(self, call: OutboundCall, data: st.DataObject, look: bool) -> None:
        """The provider answers, in whatever words."""
        facts = [data.draw(st.sampled_from(HANDED)) for _ in call.recipients]
        self.refs += 1
        own = data.draw(st.booleans())
        handovers = tuple(
            Handover(fact, f"{self.refs}-{place}" if own else None, problem=PROBLEM) for place, fact in enumerate(facts)
        )
        handed = CallAnswer(f"{self.refs}", handovers)
        self.do(self.desk.journal.calls.answered(call.call_id, ME, handed, first_look=15 if look else None))

    @rule(call=calls, how=st.sampled_from(("retry", "release", "divide", "refused", "unanswered")))
    def end(self, call: OutboundCall, how: str) -> None:
        """A call ends in another way; perhaps one that has ended already."""
        more: dict[str, tuple[Any, ...]] = {"retry": (PROBLEM, 5), "refused": (PROBLEM,), "unanswered": (PROBLEM,)}
        self.do(getattr(self.desk.journal.calls, how)(call.call_id, ME, *more.get(how, ())))

    @rule(ref=st.integers(1, 8), place=st.none() | st.integers(0, 2), fact=st.sampled_from(TOLD), own=st.booleans())
    def report(self, ref: int, place: int | None, fact: Fact, own: bool) -> None:
        """A report comes in, perhaps too early, perhaps of nobody."""
        name = f"{ref}-{place}" if own else f"{ref}"
        self.do(self.desk.report(delivered(name, fact=fact, position=place)))

    @rule(
        ref=st.integers(1, 8).map(str) | st.sampled_from(("1-0", "2-1", "a", "b", "c", "d")),
        to=st.lists(st.sampled_from((ALICE, BOB, CAROL)), min_size=1, max_size=3, unique=True),
        fact=st.sampled_from((Fact.SUBMITTED, Fact.SUBMITTED_UNTRACKED)),
        own=st.booleans(),
    )
    def see(self, ref: str, to: list[Any], fact: Fact, own: bool) -> None:
        """The provider shows a message, relay's own or another device's."""
        self.do(
            self.desk.see(seen(TEXT if own else "From another device", *to, ref=ref, fact=fact, provider={"ref": ref}))
        )

    @rule(data=st.data(), again=st.booleans())
    def decide(self, data: st.DataObject, again: bool) -> None:
        """A person takes something up again, or gives it up."""
        if listed := self.do(self.desk.journal.dead.list(10)):
            aside_id = data.draw(st.sampled_from(listed))["id"]
            self.do(self.desk.journal.dead.again(aside_id) if again else self.desk.journal.dead.discard(aside_id))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A request is canceled."""
        if self.keys:
            key = data.draw(st.sampled_from(self.keys))
            self.do(self.desk.journal.commands.cancel(LINE, None, key, None, Reply()))

    @rule()
    def forget(self) -> None:
        """The provider forgets what it is asked for."""
        for look in self.do(self.desk.journal.looks.due(LINE, 10)):
            self.do(self.desk.journal.looks.forgotten(look.call_id, PROBLEM))

    @rule(seconds=st.sampled_from((1, 15, 61, 3601, 73 * 3600)))
    def wait(self, seconds: float) -> None:
        """Time passes, and the janitor comes."""
        self.desk.clock.pass_(seconds=seconds)
        self.do(self.desk.journal.upkeep.expire())
        self.do(self.desk.journal.upkeep.end_following())
        self.do(self.desk.journal.upkeep.settle_sightings())

    @rule(kill=st.booleans())
    def restart(self, kill: bool) -> None:
        """Relay ends, one way or the other, and starts again."""
        if kill:
            place = self.desk.place.after_kill()
            self.do(self.desk.journal.aclose())
            clock = self.desk.clock
            self.desk = self.do(Desk.at(place, clock))
        else:
            self.do(self.desk.reopen())
        self.do(self.desk.journal.calls.recover())

    @invariant()
    def promises_hold(self) -> None:
        """After every step."""
        copies = self.desk.place.read("SELECT * FROM copy")
        calls = {row["id"]: row for row in self.desk.place.read("SELECT * FROM call")}
        messages = {row["id"]: row for row in self.desk.place.read("SELECT * FROM message")}
        self._every_copy_has_its_place(copies, calls)
        self._messages_count_their_copies(copies, messages)
        events = self.do(self.desk.events())
        self._receipts_are_in_order(copies, events)
        self._nobody_elses_is_told_twice(events)
        self._only_what_is_uncertain_waits_for_a_person(copies)
        self._counters_fit(copies)

    def _every_copy_has_its_place(self, copies: Iterable[RowMapping], calls: dict[str, RowMapping]) -> None:
        for copy in copies:
            state, stage = State.of(copy["state"]), calls[copy["call_id"]]["stage"]
            if state.rank < State.UNCERTAIN.rank:
                assert stage in ("waiting", "in_flight"), (state, stage)
            elif not state.final and stage not in ("waiting", "in_flight"):
                assert stage in (("held", "followed") if state is State.UNCERTAIN else ("followed",)), (state, stage)
        assert all((call["stage"] == "in_flight") == (call["owner"] is not None) for call in calls.values())

    def _messages_count_their_copies(self, copies: Iterable[RowMapping], messages: dict[str, RowMapping]) -> None:
        left: defaultdict[str, int] = defaultdict(int)
        for copy in copies:
            left[copy["message_id"]] += not copy["ended"]
        for message_id, message in messages.items():
            assert message["open_copies"] == left[message_id]
            assert (message["ended_at"] is not None) == (left[message_id] == 0)

    def _receipts_are_in_order(self, copies: Iterable[RowMapping], events: Iterable[Any]) -> None:
        finals: defaultdict[str, int] = defaultdict(int)
        sequences: defaultdict[str, list[int]] = defaultdict(list)
        for event in events:
            if event.kind in ("receipt", "result"):
                sequences[event.subject].append(event.sequence)
            if event.kind == "receipt":
                finals[event.body["copy_id"]] += event.body["final"]
                assert event.body["late"] is (finals[event.body["copy_id"]] > 0 and not event.body["final"])
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())
        assert all(finals[copy["id"]] == copy["ended"] for copy in copies)

    def _nobody_elses_is_told_twice(self, events: Iterable[Any]) -> None:
        refs = [event.body["provider"]["ref"] for event in events if event.kind == "event.sent-elsewhere"]
        assert len(refs) == len(set(refs))

    def _only_what_is_uncertain_waits_for_a_person(self, copies: Iterable[RowMapping]) -> None:
        waiting = [one["copy_id"] for one in self.do(self.desk.journal.dead.list(1_000, kind="uncertain"))]
        assert len(waiting) == len(set(waiting))
        assert set(waiting) <= {copy["id"] for copy in copies if copy["state"] == "uncertain"}

    def _counters_fit(self, copies: Iterable[RowMapping]) -> None:
        counters = self.desk.journal._core.writer.counters
        assert counters["waiting copies"] == sum(State.of(copy["state"]).rank < 40 for copy in copies)
        assert self.desk.journal.events.backlog() == len(self.do(self.desk.journal.events.pending(0, 100_000)))


TestAnyOrder, TestAnyOrderOnPostgresql = on_each_database(AnyOrder, steps=40, examples=settings().max_examples // 3)
