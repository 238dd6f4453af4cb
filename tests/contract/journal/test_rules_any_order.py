"""Whatever happens in whatever order: no call is made for a copy that the rules forbid, and each copy ends once."""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relay.domain.addresses import Address
from relay.domain.keywords import keyword
from relay.domain.messages import (
    CallAnswer,
    DeliveryReport,
    Handover,
    InboundMessage,
    MessageClass,
    OnUncertain,
    OutboundCall,
    Plan,
    Priority,
    RawAnswer,
    Reply,
    SendRequest,
)
from relay.domain.states import Fact
from relay.journal import Answer
from relay.journal.codec import timestamp
from relay.journal.queuelist import Wanted
from relay.journal.transaction import WAITING_COPIES, waiting_here
from relay.rules.line import Scope
from tests.contract.journal.desk import ME, PROBLEM, Desk, SqlitePlace, StillClock
from tests.contract.journal.ledger import LINES, OWN, SAID, STOPPED
from tests.contract.journal.rules_model import (
    DAYTIME,
    LONG_AGO,
    NIGHT,
    NOON,
    PEOPLE,
    TRIES_IN_ORDER,
    WEEK,
    Model,
    Text,
    Wish,
    all_rules,
)

T = TypeVar("T")
ROOM = {"waiting_copies": 24, "waiting_per_line": 16, "waiting_per_client": 10}
FITS = {"a": 3, "b": 2, "c": 1}  # how many copies of a text fit into a call
STARTS = (
    datetime(2026, 10, 30, 15, tzinfo=UTC),  # a Friday morning in Seattle
    datetime(2026, 11, 1, 5, 45, tzinfo=UTC),  # the clocks are put back in New York at 6, in Seattle at 9
    datetime(2026, 11, 1, 4, 59, 30, tzinfo=UTC),
)
EVIDENCE, RESENT_AFTER, LONGEST_PAUSE = (timedelta(seconds=seconds) for seconds in (120, 60, 360))
COMPANY = 60.0
END_OF_ALL_TIME = 9999  # the year of what is held
CLIENTS = (None, "crm")
FACTS = (Fact.SUBMITTED, Fact.SUBMITTED, Fact.SUBMITTED_UNTRACKED, Fact.REFUSED, Fact.UNANSWERED, Fact.RETRIED)
TAKEN = (Fact.SUBMITTED, Fact.SUBMITTED_UNTRACKED)
_END_OF = {Fact.SUBMITTED_UNTRACKED: "submitted", Fact.REFUSED: "failed"}
PAUSES = (
    {"seconds": 1},
    {"seconds": 30},
    {"minutes": 2},
    {"minutes": 11},
    {"minutes": 61},
    {"hours": 5},
    {"hours": 11},
)
LINE, WHO, ANY = st.sampled_from(LINES), st.sampled_from(PEOPLE), st.integers(0, 30)
SOME_LANES = st.sampled_from(((0, 1, 2),) * 6 + ((1, 0, 2), (2, 1, 0), (0,), (1,)))


@dataclass(frozen=True)
class Ask:
    """A request."""

    to: tuple[Address, ...]
    line: str
    words: str
    client: str | None
    priority: Priority
    what: MessageClass
    wish: OnUncertain
    ttl: float | None
    later: float | None
    given: bool
    group: bool
    receipts: bool

    @property
    def plan(self) -> Plan:
        """How it is sent."""
        return Plan("gsm-7", 1, len(self.to) if self.group else FITS[self.words], provider_waits=self.given)


ASKS = st.builds(
    Ask,
    to=st.lists(WHO, min_size=1, max_size=3, unique=True).map(tuple),
    line=LINE,
    words=st.sampled_from("abc"),
    client=st.sampled_from(CLIENTS),
    priority=st.sampled_from((Priority.NORMAL, Priority.NORMAL, Priority.HIGH, Priority.BULK)),
    what=st.sampled_from((MessageClass.NORMAL,) * 3 + (MessageClass.URGENT, MessageClass.COMPLIANCE)),
    wish=st.sampled_from(OnUncertain),
    ttl=st.sampled_from((None, None, None, 90.0, 7200.0)),
    later=st.sampled_from((None, None, None, 60.0, 36_000.0)),
    given=st.booleans(),
    group=st.sampled_from((False, False, False, True)),
    receipts=st.sampled_from((True, True, False)),
)
WISHES = st.builds(
    Wish,
    hours=st.sampled_from((None, None, DAYTIME, WEEK, NIGHT, NOON)),
    urgent_any_time=st.booleans(),
    zone=st.sampled_from((None, "Denver")),
    calls_per_day=st.sampled_from((None, None, 4)),
    calls_per_second=st.sampled_from((None, None, 3.0, 0.01)),
    company=st.sampled_from((0.0, 0.0, 5.0, COMPANY)),
    replies=st.booleans(),
)


class RulesInAnyOrder(RuleBasedStateMachine):
    """Three lines, two of them a group; five people in the country's time zones, one of whom may be anywhere."""

    @initialize(start=st.sampled_from(STARTS), scope=st.sampled_from(Scope), wishes=st.tuples(*(WISHES for _ in LINES)))
    def open(self, start: datetime, scope: Scope, wishes: tuple[Wish, ...]) -> None:
        """An empty journal."""
        self.loop = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = StillClock()
        self.clock.time = start
        self.desk = self.do(Desk.at(SqlitePlace(Path(self.folder.name) / "relay.db"), self.clock, **ROOM))
        self.model = Model()
        self.position = self.keys = 0
        self.finals: Counter[str] = Counter()
        self.told: list[str] = []
        self.settle(dict(zip(LINES, wishes, strict=True)), scope)

    def settle(self, wishes: Mapping[str, Wish], scope: Scope) -> None:
        """The operator's settings."""
        self.model.wishes, self.model.scope = dict(wishes), scope
        self.desk.journal.follow(all_rules(wishes, scope))

    @property
    def now(self) -> datetime:
        """The time."""
        return self.clock.now()

    def do(self, verb: Awaitable[T]) -> T:
        """Let a verb happen."""

        async def happening() -> T:
            return await verb

        return self.loop.run(happening())

    def hear(self, expected: Mapping[str, str] | None = None) -> list[Any]:
        """What was announced since; each end of a copy must be one that was expected, or that the rules bring."""
        news = self.do(self.desk.journal.events.follow(self.position, 100_000))
        expected = dict(expected or {})
        for position, event in news:
            self.position = position
            self.told.append(event.id)
            if event.kind == "receipt" and event.body["final"]:
                text = self.model.texts[event.body["copy_id"]]
                assert self.finals[text.id] == 0, "a copy ends once"
                self.finals[text.id] += 1
                if text.id in expected:
                    assert event.body["status"] == expected.pop(text.id)
                    self.model.end(text, "over", self.now)
                else:
                    self._ends_by_the_rules(text, event.body)
        assert not expected, "a copy should have ended"
        return [event for _, event in news]

    def _ends_by_the_rules(self, text: Text, body: Mapping[str, Any]) -> None:
        assert text.stands == "waiting"
        code = (body["error"] or {}).get("code")
        assert (body["status"], code) in {("expired", "expired"), ("failed", "opted_out"), ("failed", "unsupported")}
        if code == "expired":
            assert text.expires_at is not None
            assert self.now >= text.expires_at
            self.model.end(text, "over", self.now)
        elif code == "opted_out":
            assert self.model.against(text)
        else:
            assert self.model.opens_for(text, self.now) is None
        text.stands = "over"

    @rule(ask=ASKS)
    def send(self, ask: Ask) -> None:
        """A request; what it is answered is what the model says."""
        self.keys += 1
        now = self.now
        request = SendRequest(
            line=ask.line,
            client=ask.client,
            key=f"k{self.keys}",
            digest="digest",
            to=ask.to,
            text=ask.words,
            group=ask.group,
            send_at=None if ask.later is None else now + timedelta(seconds=ask.later),
            ttl=ask.ttl,
            priority=ask.priority,
            receipts=ask.receipts,
            on_uncertain=ask.wish,
            message_class=ask.what,
        )
        accepted = self.do(self.desk.journal.commands.accept(request, ask.plan, [None] * len(ask.to), None))
        self.hear()
        if self._is_rejected(request, accepted):
            return
        wished = max(request.send_at or now, now)
        opens = self._openings(request, wished)
        told = [self._told_of(request, one, opens[one["to"]]) for one in accepted.body["copies"]]
        given = ask.given and wished > now and all(opens[one["to"]] == wished for one, taken in told if taken)
        for one, taken in told:
            if taken:
                due = now if given else opens[one["to"]] or now
                assert (one["status"] == "scheduled") == (due > now)
                assert one.get("due_at") in {None, timestamp(due)}
                here = (one["copy_id"], one["to"])
                company = ask.plan.recipients_per_call > 1
                self._take(request, accepted.body["message_id"], here, due, given=given, company=company)

    def _is_rejected(self, request: SendRequest, accepted: Answer) -> bool:
        model = self.model
        code = None
        room = (
            (model.waiting(), ROOM["waiting_copies"]),
            (model.waiting(request.line), ROOM["waiting_per_line"]),
            (model.waiting(request.line, request.client), ROOM["waiting_per_client"]),
        )
        if request.send_at and request.ttl and self.now + timedelta(seconds=request.ttl) <= request.send_at:
            code = "invalid_request"
        elif any(waiting + len(request.to) > most for waiting, most in room):
            code = "queue_full"
        assert (accepted.outcome == "rejected") == (code is not None)
        assert code is None or accepted.body["error"]["code"] == code
        return code is not None

    def _openings(self, request: SendRequest, wished: datetime) -> dict[str, datetime | None]:
        people = [to.value for to in request.to]
        together = [people] * len(people) if request.group else [[one] for one in people]
        what = request.message_class
        return {
            one: self.model.opens(request.line, here, what, wished) for one, here in zip(people, together, strict=True)
        }

    def _told_of(
        self, request: SendRequest, one: dict[str, Any], opens: datetime | None
    ) -> tuple[dict[str, Any], bool]:
        """A copy's place in the result, and whether it was taken: opted out and never open are not."""
        against = self.model.ledger.against(one["to"], request.line, self.model.scope)
        code = one["error"]["code"] if one["status"] == "failed" else None
        if request.message_class is MessageClass.COMPLIANCE:
            assert code is None or (against and code == "opted_out")
        else:
            assert code == ("opted_out" if against else "unsupported" if opens is None else None)
        return one, code is None

    def _take(
        self, request: SendRequest, message_id: str, copy: tuple[str, str], due: datetime, *, given: bool, company: bool
    ) -> None:
        """The model takes a copy in."""
        now, later = self.now, request.send_at
        expires_at = None if request.ttl is None else _whole(now + timedelta(seconds=request.ttl))
        joins = company and request.priority is not Priority.HIGH and not request.group and not given
        self.model.texts[copy[0]] = Text(
            id=copy[0],
            key=request.key or "",
            message_id=message_id,
            line=request.line,
            who=copy[1],
            client=request.client,
            lane=request.priority.lane,
            what=request.message_class,
            words=request.text or "",
            group=request.group,
            wish=request.on_uncertain,
            receipts=request.receipts,
            expires_at=expires_at,
            send_at=later,
            given=given,
            not_before=now if given or later is None else max(later, now),
            by=due + timedelta(seconds=COMPANY if joins else 0),
            later=due if due > now else LONG_AGO,
        )

    @rule(line=LINE, lanes=SOME_LANES, unseen=st.booleans(), times=st.integers(1, 4))
    def claim(self, line: str, lanes: Sequence[int], unseen: bool, times: int) -> None:
        """A sender takes calls."""
        for _ in range(times):
            if self._claim(line, lanes, unseen=unseen) is None:
                break

    def _claim(self, line: str, lanes: Sequence[int] = (0, 1, 2), *, unseen: bool = False) -> list[Text] | None:
        now, model = self.now, self.model
        owed = model.owed(line, lanes, now)
        model.looked_at(line, lanes, now)
        call = self.do(self.desk.journal.calls.claim(line, ME, lanes=lanes, unseen=unseen))
        self.hear()
        before = lanes if call is None else lanes[: lanes.index(call.lane)]
        assert not [one for one in owed if model.texts[one].lane in before], "a copy waits that may be sent"
        if call is None:
            return None
        texts = [model.texts[one.copy_id] for one in call.recipients]
        self._may_be_made(call, texts)
        for text in texts:
            model.begin(text, call.call_id, unseen=unseen)
        assert model.confirmations_fit(), "one confirmation passes for each opt-out"
        model.spend(line, now)
        return texts

    def _may_be_made(self, call: OutboundCall, texts: list[Text]) -> None:
        first, now = texts[0], self.now
        for text in texts:
            assert self.model.objection(text, now) is None
        assert len({text.who for text in texts}) == len(texts)
        assert {text.shares_with() for text in texts} == {first.shares_with()}
        assert [text.who for text in texts] == [to.address.value for to in call.recipients]
        assert (call.line, call.lane, call.text, call.group) == (first.line, first.lane, first.words, first.group)
        assert (call.expires_at, call.receipts) == (first.expires_at, first.receipts)
        assert call.send_at == (first.send_at if first.given and first.send_at and first.send_at > now else None)
        if first.group:
            assert first.tries or {*self.model.mates(first)} == {*texts}
        else:
            assert len(texts) <= FITS.get(first.words, 1)

    def _flying(self, which: int) -> list[Text]:
        flying = self.model.standing("flying")
        call_id = flying[which % len(flying)].call_id
        return [text for text in flying if text.call_id == call_id]

    @precondition(lambda self: self.model.standing("flying"))
    @rule(which=ANY, facts=st.tuples(*(st.sampled_from(FACTS) for _ in range(3))), stopped=st.booleans())
    def answer(self, which: int, facts: Sequence[Fact], stopped: bool) -> None:
        """The provider answers, for each copy."""
        texts, problem = self._flying(which), STOPPED if stopped else PROBLEM
        self._answer(texts, {text.id: fact for text, fact in zip(texts, facts, strict=False)}, problem)

    def _answer(self, texts: Sequence[Text], facts: Mapping[str, Fact], problem: Any = None) -> None:
        call_id = texts[0].call_id
        handed = tuple(
            Handover(
                facts[text.id], f"ref-{text.id}-{text.tries}", problem=None if facts[text.id] in TAKEN else problem
            )
            for text in texts
        )
        assert self.do(self.desk.journal.calls.answered(call_id, ME, CallAnswer(None, handed), first_look=None))
        ends = {text.id: _END_OF[facts[text.id]] for text in texts if facts[text.id] in _END_OF}
        ends |= {one.id: "failed" for one in texts if facts[one.id] is Fact.UNANSWERED and one.wish is OnUncertain.FAIL}
        self.hear(ends)
        for text in texts:
            if text.id not in ends:
                self._stands_after(text, facts[text.id], self.now + RESENT_AFTER, self.now + RESENT_AFTER)
            elif facts[text.id] is Fact.REFUSED and problem is STOPPED:
                self.model.ledger.stop(text.who, text.line, self.now, "provider")

    def _stands_after(self, text: Text, fact: Fact, at: datetime, by: datetime) -> None:
        if fact is Fact.RETRIED or (
            fact is Fact.UNANSWERED and text.wish is OnUncertain.RESEND and text.tries < TRIES_IN_ORDER
        ):
            self.model.wait_again(text, at, self.now, by)
        else:
            self.model.end(text, "uncertain" if fact is Fact.UNANSWERED else "followed", self.now)

    @precondition(lambda self: self.model.standing("flying"))
    @rule(
        which=ANY, how=st.sampled_from(("retry", "release", "divide", "refused")), pause=st.sampled_from((0, 20, 400))
    )
    def end(self, which: int, how: str, pause: float) -> None:
        """A call ends in another way."""
        texts = self._flying(which)
        more: dict[str, tuple[Any, ...]] = {"retry": (PROBLEM, pause), "release": (pause,), "refused": (STOPPED,)}
        assert self.do(getattr(self.desk.journal.calls, how)(texts[0].call_id, ME, *more.get(how, ())))
        self.hear({text.id: "failed" for text in texts if how == "refused"})
        later = self.now + timedelta(seconds=pause)
        for text in texts:
            if how == "refused":
                self.model.ledger.stop(text.who, text.line, self.now, "provider")
            elif how == "release":
                text.tries -= 1  # nothing was tried
                self.model.wait_again(text, text.not_before, self.now, text.by)
            else:
                self.model.wait_again(text, later if how == "retry" else self.now, self.now)
        if how == "release":
            self.model.rest(texts[0].line, later)

    @precondition(lambda self: self.model.standing("flying"))
    @rule(which=ANY, evidence=st.booleans())
    def say_nothing(self, which: int, evidence: bool) -> None:
        """The provider does not answer."""
        texts, within = self._flying(which), EVIDENCE.total_seconds() if evidence else None
        self.do(self.desk.journal.calls.unanswered(texts[0].call_id, ME, PROBLEM, evidence_within=within))
        self._unanswered(texts, evidence=evidence)

    def _unanswered(self, texts: Sequence[Text], *, evidence: bool | None) -> None:
        self.hear({text.id: "failed" for text in texts if text.wish is OnUncertain.FAIL})
        for text in texts:
            if text.stands == "flying":
                waits = text.is_unseen if evidence is None else evidence
                first = self.now + (EVIDENCE if waits else timedelta())
                self._stands_after(text, Fact.UNANSWERED, first, self.now + LONGEST_PAUSE)

    @precondition(lambda self: self.model.standing("followed"))
    @rule(which=ANY)
    def report(self, which: int) -> None:
        """A copy has arrived."""
        followed = self.model.standing("followed")
        text = followed[which % len(followed)]
        reports = [DeliveryReport(f"ref-{text.id}-{text.tries}", Fact.DELIVERED)]
        kept = self.do(self._keep(text.line))
        self.do(self.desk.journal.raw.understood(kept, reports=reports))
        self.hear({text.id: "delivered"})

    def _keep(self, line: str) -> Awaitable[Any]:
        return self.desk.journal.raw.keep(line, "hook", "", "", RawAnswer(b"bytes", "application/json"))

    @rule(
        word=st.sampled_from(("STOP", "Stop.", "start", "YES", "help")),
        who=WHO,
        line=LINE,
        ago=st.sampled_from((0, 0, 0, 1, 5, 600)),
    )
    def write(self, word: str, who: Address, line: str, ago: int) -> None:
        """Somebody writes a keyword, `ago` minutes before it is heard of."""
        at, asked = self.now - timedelta(minutes=ago), keyword(word) or "help"
        message = InboundMessage(who, OWN[line], word, provider_time=at)
        kept = self.do(self._keep(line))
        self.do(self.desk.journal.raw.understood(kept, messages=[message]))
        [message_id] = [event.body["message_id"] for event in self.hear() if event.kind == "message"]
        if asked == "stop":
            self.model.ledger.stop(who.value, line, at, "keyword")
        elif asked == "start":
            self.model.ledger.start(who.value, line, at)
        if self.model.wishes[line].replies:
            self._take_reply(line, who, f"keyword-{message_id}", asked)

    def _take_reply(self, line: str, who: Address, key: str, asked: str) -> None:
        """The operator's answer is a text like others, where there is one."""
        listed = self.do(self.desk.journal.queries.queue(Wanted(line=line, limit=1_000)))
        for one in listed:
            if one["request_id"] == key:
                request = SendRequest(
                    line=line,
                    client=None,
                    key=key,
                    digest=key,
                    to=(who,),
                    text=SAID[asked],
                    ttl=3600.0,
                    priority=Priority.HIGH,
                    on_uncertain=OnUncertain.FAIL,
                    message_class=MessageClass.COMPLIANCE if asked == "stop" else MessageClass.URGENT,
                )
                self._take(
                    request, one["message_id"], (one["copy_id"], who.value), one["due_at"], given=False, company=False
                )

    @rule(who=WHO, line=LINE | st.none(), add=st.booleans())
    def operate(self, who: Address, line: str | None, add: bool) -> None:
        """An operator opts somebody out or in."""
        if add:
            self.do(self.desk.journal.optouts.add([who.value], line))
            self.model.ledger.stop(who.value, line, self.now, "operator")
        else:
            self.do(self.desk.journal.optouts.remove([who.value], line))
            self.model.ledger.lift(who.value, line)

    @rule(which=ANY, by_client=st.booleans())
    def cancel(self, which: int, by_client: bool) -> None:
        """A request is canceled: what waits of it, and nothing else."""
        open_ = self.model.standing("waiting", "flying", "uncertain", "followed")
        if not open_:
            return
        text = open_[which % len(open_)]
        stopped = [one.id for one in self.model.standing("waiting") if one.message_id == text.message_id]
        if not by_client:
            [steered] = self.do(self.desk.journal.steering.cancel([text.message_id]))
            assert steered.copies == len(stopped)
        elif not text.key.startswith("keyword"):
            answer = self.do(self.desk.journal.commands.cancel(text.line, text.client, text.key, None, Reply()))
            assert answer.outcome == "canceled" or not stopped
        else:
            return
        self.hear(dict.fromkeys(stopped, "canceled"))

    @rule(line=LINE)
    def cancel_line(self, line: str) -> None:
        """An operator cancels all that waits on a line."""
        stopped = [text.id for text in self.model.standing("waiting", line=line)]
        self.do(self.desk.journal.steering.cancel_line(line))
        self.hear(dict.fromkeys(stopped, "canceled"))

    @precondition(lambda self: self.model.standing("waiting"))
    @rule(which=ANY, whole=st.booleans())
    def hold(self, which: int, whole: bool) -> None:
        """An operator holds copies; a group as a whole."""
        waiting = self.model.standing("waiting")
        chosen = self._request_of(waiting[which % len(waiting)], whole=whole)
        holding = [text for text in chosen if text.stands == "waiting" and not text.held]
        assert self._steer("hold", chosen, whole=whole) == len(holding)
        for text in holding:
            text.held = True
            self.model.free(text, self.now)

    @precondition(lambda self: any(text.held for text in self.model.standing("waiting")))
    @rule(which=ANY, whole=st.booleans())
    def release(self, which: int, whole: bool) -> None:
        """An operator releases them."""
        held = [text for text in self.model.standing("waiting") if text.held]
        chosen = self._request_of(held[which % len(held)], whole=whole)
        released = [text for text in chosen if text.stands == "waiting" and text.held]
        assert self._steer("release", chosen, whole=whole) == len(released)
        for text in released:
            text.held = False

    @rule(which=ANY, whole=st.booleans())
    def try_again(self, which: int, whole: bool) -> None:
        """An operator sends again what failed or is uncertain."""
        tried = [text for text in self.model.standing("waiting", "uncertain") if text.tries and not text.held]
        if not tried:
            return
        chosen = self._request_of(tried[which % len(tried)], whole=whole)
        self._steer("retry", chosen, whole=whole)
        for text in chosen:
            if text.stands == "uncertain":
                self.model.wait_again(text, self.now, self.now)
            elif text.stands == "waiting" and text.tries and not text.held:
                text.not_before = min(text.not_before, self.now)

    def _request_of(self, text: Text, *, whole: bool) -> list[Text]:
        if not whole and not text.group:
            return [text]
        return [one for one in self.model.texts.values() if one.message_id == text.message_id]

    def _steer(self, verb: str, chosen: Sequence[Text], *, whole: bool) -> int:
        about = chosen[0].message_id if whole or chosen[0].group else chosen[0].id
        [steered] = self.do(getattr(self.desk.journal.steering, verb)([about]))
        self.hear()
        return int(steered.copies)

    @rule(line=LINE, hold=st.booleans())
    def steer_line(self, line: str, hold: bool) -> None:
        """An operator holds a line, or releases it."""
        steering = self.desk.journal.steering
        self.do(steering.hold_line(line)) if hold else self.do(steering.release_line(line))
        (self.model.held_lines.add if hold else self.model.held_lines.discard)(line)

    @precondition(lambda self: self.model.standing("uncertain"))
    @rule(which=ANY)
    def give_up(self, which: int) -> None:
        """A person gives an uncertain copy up."""
        asides = {one["copy_id"]: one["id"] for one in self.do(self.desk.journal.dead.list(1_000))}
        uncertain = self.model.standing("uncertain")
        assert {text.id for text in uncertain} == {*asides}
        text = uncertain[which % len(uncertain)]
        self.do(self.desk.journal.dead.discard(asides[text.id]))
        self.hear({text.id: "failed"})

    @rule(line=LINE, wish=WISHES)
    def change_rules(self, line: str, wish: Wish) -> None:
        """The operator changes a line's rules."""
        self.settle({**self.model.wishes, line: wish}, self.model.scope)

    @rule(scope=st.sampled_from(Scope))
    def change_scope(self, scope: Scope) -> None:
        """The operator changes for which lines an opt-out holds."""
        self.settle(self.model.wishes, scope)

    @rule(line=LINE, seconds=st.sampled_from((1, 90)))
    def slow(self, line: str, seconds: float) -> None:
        """The provider asks for a pause."""
        self.do(self.desk.journal.limits.slow(line, seconds))
        self.model.rest(line, self.now + timedelta(seconds=seconds))

    @rule(pause=st.sampled_from(PAUSES))
    def wait(self, pause: dict[str, float]) -> None:
        """Time passes."""
        self.clock.pass_(**pause)

    @rule(line=LINE, early=st.sampled_from((0, 0, 1)))
    def wait_until_due(self, line: str, early: int) -> None:
        """Until the moment, or a moment before, when something may be due."""
        due_at = self.do(self.desk.journal.calls.next_due(line))
        if due_at is not None and due_at.year < END_OF_ALL_TIME:
            self.clock.time = max(self.now, due_at - timedelta(microseconds=early))

    @rule(which=ANY, early=st.sampled_from((0, 1)))
    def wait_until_it_expires(self, which: int, early: int) -> None:
        """Until the moment, or a moment before, when a copy expires."""
        expiring = [one.expires_at for one in self.model.standing("waiting", "flying") if one.expires_at]
        if expiring:
            self.clock.time = max(self.now, expiring[which % len(expiring)] - timedelta(microseconds=early))

    @rule()
    def expire(self) -> None:
        """The janitor ends what has expired."""
        while self.do(self.desk.journal.upkeep.expire()):
            pass
        self.hear()
        assert all(one.expires_at is None or one.expires_at > self.now for one in self.model.standing("waiting"))

    @rule()
    def clear_up(self) -> None:
        """Eight days pass, and the janitor ends what is followed, and forgets what has ended."""
        self.clock.pass_(days=8)
        self._end_following()
        self.do(self.desk.journal.events.published(self.told))
        self.told = []
        while self.do(self.desk.journal.upkeep.purge()):
            pass

    def _end_following(self) -> None:
        while self.do(self.desk.journal.upkeep.end_following()):
            pass
        over = [one for one in self.model.standing("followed") if one.send_at is None or not one.given]
        given = [one for one in self.model.standing("followed") if one.given]
        self.hear({one.id: "unknown" for one in (*over, *given)})

    @rule(kill=st.booleans())
    def restart(self, kill: bool) -> None:
        """Relay ends, one way or the other, and starts again."""
        place = self.desk.place.after_kill() if kill else self.desk.place
        self.do(self.desk.journal.aclose())
        self.clock.pass_(milliseconds=2)
        self.desk = self.do(Desk.at(place, self.clock, **ROOM))
        self.settle(self.model.wishes, self.model.scope)
        self.do(self.desk.journal.calls.recover())
        self._unanswered(self.model.standing("flying"), evidence=None)

    @invariant()
    def what_waits_is_counted(self) -> None:
        """In all, by line and by client."""
        counters = self.desk.journal._core.writer.counters
        expected = {WAITING_COPIES: self.model.waiting()}
        expected |= {waiting_here(line): self.model.waiting(line) for line in LINES}
        expected |= {waiting_here(line, by or ""): self.model.waiting(line, by) for line in LINES for by in CLIENTS}
        assert {name: counters[name] for name in expected} == expected

    def teardown(self) -> None:
        """Nothing is left when the rules are lifted and time goes on."""
        if not hasattr(self, "desk"):
            return
        try:
            if sys.exc_info()[0] is None:
                self._everything_ends()
        finally:
            self.do(self.desk.journal.aclose())
            self.loop.close()
            self.folder.cleanup()

    def _everything_ends(self) -> None:
        self._lift()
        for _ in range(4 * len(self.model.texts) + 10):
            dues = []
            for line in LINES:
                while texts := self._claim(line):
                    self._answer(texts, {text.id: Fact.SUBMITTED for text in texts})
                due_at = self.do(self.desk.journal.calls.next_due(line))
                assert (due_at is None) == (not self.model.standing("waiting", line=line))
                dues += [due_at] if due_at else []
            self.clock.time = max(self.now, min(dues, default=self.now))
        assert not self.model.standing("waiting", "flying")
        for _ in self.model.standing("uncertain"):
            self.give_up(0)
        self.clock.pass_(days=10)
        self._end_following()
        assert all(self.finals[text] == 1 for text in self.model.texts)
        self.what_waits_is_counted()

    def _lift(self) -> None:
        while flying := self.model.standing("flying"):
            texts = [text for text in flying if text.call_id == flying[0].call_id]
            self._answer(texts, {text.id: Fact.SUBMITTED for text in texts})
        self.settle({line: Wish() for line in LINES}, self.model.scope)
        for line in LINES:
            self.steer_line(line, hold=False)
        while any(text.held for text in self.model.standing("waiting")):
            self.release(0, whole=True)


def _whole(at: datetime) -> datetime:
    """The end of that second."""
    return at if not at.microsecond else at.replace(microsecond=0) + timedelta(seconds=1)


RulesInAnyOrder.TestCase.settings = settings(stateful_step_count=50, max_examples=settings().max_examples // 3)
TestRulesInAnyOrder = RulesInAnyOrder.TestCase
