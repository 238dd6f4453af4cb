"""A journal and the model of its rules, side by side: whatever is done is done to both, and compared."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from relay.domain.addresses import Address
from relay.domain.errors import Problem
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
from tests.contract.journal.rules_model import LONG_AGO, TRIES_IN_ORDER, Model, Text, Wish, all_rules

T = TypeVar("T")
ROOM = {"waiting_copies": 24, "waiting_per_line": 16, "waiting_per_client": 12}
CLIENTS = (None, "crm")
FITS = {"a": 3, "b": 2, "c": 1}  # how many copies of a text fit into a call
COMPANY = 60.0
EVIDENCE, RESENT_AFTER, LONGEST_PAUSE = (timedelta(seconds=seconds) for seconds in (120, 60, 360))
TAKEN = (Fact.SUBMITTED, Fact.SUBMITTED_UNTRACKED)
HELD = 9999  # the year in which copies are due that are held
ENDS = {Fact.SUBMITTED_UNTRACKED: "submitted", Fact.REFUSED: "failed"}


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

    def request(self, key: str, now: datetime) -> SendRequest:
        """It, as relay understands it."""
        return SendRequest(
            line=self.line,
            client=self.client,
            key=key,
            digest="digest",
            to=self.to,
            text=self.words,
            group=self.group,
            send_at=None if self.later is None else now + timedelta(seconds=self.later),
            ttl=self.ttl,
            priority=self.priority,
            receipts=self.receipts,
            on_uncertain=self.wish,
            message_class=self.what,
        )


class RulesDesk:
    """An open journal, the model, and the time that both of them know."""

    def __init__(self, folder: Path, start: datetime) -> None:
        self.loop = asyncio.Runner()
        self.clock = StillClock()
        self.clock.time = start
        self.desk = self.do(Desk.at(SqlitePlace(folder / "relay.db"), self.clock, **ROOM))
        self.model = Model()
        self.position = self.keys = 0
        self.finals: Counter[str] = Counter()
        self.told: list[str] = []

    @property
    def now(self) -> datetime:
        """The time."""
        return self.clock.now()

    def do(self, verb: Awaitable[T]) -> T:
        """Let a verb happen."""

        async def happening() -> T:
            return await verb

        return self.loop.run(happening())

    def close(self) -> None:
        """Close the journal."""
        self.do(self.desk.journal.aclose())
        self.loop.close()

    def settle(self, wishes: Mapping[str, Wish], scope: Scope) -> None:
        """The operator's settings."""
        self.model.wishes, self.model.scope = dict(wishes), scope
        self.desk.journal.follow(all_rules(wishes, scope))

    def hear(self, expected: Mapping[str, str] | None = None) -> list[Any]:
        """What was announced since; each end of a copy must be one that was expected, or that the rules bring."""
        news = self.do(self.desk.journal.events.follow(self.position, 100_000))
        expected, ended = dict(expected or {}), list[Text]()
        for position, event in news:
            self.position = position
            self.told.append(event.id)
            if event.kind == "receipt" and event.body["final"]:
                text = self.model.texts[event.body["copy_id"]]
                assert self.finals[text.id] == 0, "a copy ends once"
                self.finals[text.id] += 1
                ended.append(text)
                if text.id in expected:
                    assert event.body["status"] == expected.pop(text.id)
                else:
                    self._ends_by_the_rules(text, event.body)
        assert not expected, "a copy should have ended"
        for text in ended:
            self.model.end(text, "over", self.now)
        return [event for _, event in news]

    def _ends_by_the_rules(self, text: Text, body: Mapping[str, Any]) -> None:
        assert text.stands == "waiting"
        code = (body["error"] or {}).get("code")
        assert (body["status"], code) in {("expired", "expired"), ("failed", "opted_out"), ("failed", "unsupported")}
        if code == "expired":
            assert text.expires_at is not None
            assert self.now >= text.expires_at
        elif code == "opted_out":
            assert self.model.against(text)
        else:
            assert self.model.opens_for(text, self.now) is None

    def send(self, ask: Ask) -> None:
        """A request; what it is answered is what the model says."""
        self.keys += 1
        now = self.now
        request = ask.request(f"k{self.keys}", now)
        accepted = self.do(self.desk.journal.commands.accept(request, ask.plan, [None] * len(ask.to), None))
        self.hear()
        if self._is_rejected(request, accepted):
            return
        wished = max(request.send_at or now, now)
        opens = self._openings(request, wished)
        taken = [one for one in accepted.body["copies"] if self._is_taken(request, one, opens[one["to"]])]
        given = ask.given and wished > now and all(opens[one["to"]] == wished for one in taken)
        for one in taken:
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

    def _is_taken(self, request: SendRequest, one: dict[str, Any], opens: datetime | None) -> bool:
        """Whether a copy was taken: those of the opted out are not, nor those whose hours never come."""
        against = self.model.ledger.against(one["to"], request.line, self.model.scope)
        code = one["error"]["code"] if one["status"] == "failed" else None
        if request.message_class is MessageClass.COMPLIANCE:
            assert code is None or (against and code == "opted_out")
        else:
            assert code == ("opted_out" if against else "unsupported" if opens is None else None)
        return code is None

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

    def claim(self, line: str, lanes: Sequence[int] = (0, 1, 2), *, unseen: bool = False) -> list[Text] | None:
        """A sender takes a call, if there is one."""
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
            objection = self.model.objection(text, now)
            assert objection is None, f"{objection}: {text}"
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

    def flying(self, which: int) -> list[Text]:
        """The copies of a call that is being made."""
        flying = self.model.standing("flying")
        call_id = flying[which % len(flying)].call_id
        return [text for text in flying if text.call_id == call_id]

    def answer(self, texts: Sequence[Text], facts: Mapping[str, Fact], problem: Problem = PROBLEM) -> None:
        """The provider answers, for each copy."""
        call_id = texts[0].call_id
        handed = tuple(
            Handover(
                facts[text.id], f"ref-{text.id}-{text.tries}", problem=None if facts[text.id] in TAKEN else problem
            )
            for text in texts
        )
        assert self.do(self.desk.journal.calls.answered(call_id, ME, CallAnswer(None, handed), first_look=None))
        ends = {text.id: ENDS[facts[text.id]] for text in texts if facts[text.id] in ENDS}
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

    def fails(self, texts: Sequence[Text], how: str, pause: float) -> None:
        """A call ends in another way: `retry`, `release`, `divide` or `refused`."""
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

    def is_not_answered(self, texts: Sequence[Text], *, evidence: bool) -> None:
        """The provider does not answer."""
        within = EVIDENCE.total_seconds() if evidence else None
        self.do(self.desk.journal.calls.unanswered(texts[0].call_id, ME, PROBLEM, evidence_within=within))
        self._unanswered(texts, evidence=evidence)

    def _unanswered(self, texts: Sequence[Text], *, evidence: bool | None) -> None:
        self.hear({text.id: "failed" for text in texts if text.wish is OnUncertain.FAIL})
        for text in texts:
            if text.stands == "flying":
                waits = text.is_unseen if evidence is None else evidence
                first = self.now + (EVIDENCE if waits else timedelta())
                self._stands_after(text, Fact.UNANSWERED, first, self.now + LONGEST_PAUSE)

    def report(self, text: Text) -> None:
        """A copy has arrived."""
        reports = [DeliveryReport(f"ref-{text.id}-{text.tries}", Fact.DELIVERED)]
        kept = self.do(self._keep(text.line))
        self.do(self.desk.journal.raw.understood(kept, reports=reports))
        self.hear({text.id: "delivered"})

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

    def _keep(self, line: str) -> Awaitable[Any]:
        return self.desk.journal.raw.keep(line, "hook", "", "", RawAnswer(b"bytes", "application/json"))

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

    def cancel(self, text: Text, *, by_client: bool) -> None:
        """A request is canceled: what waits of it, and nothing else."""
        stopped = [one.id for one in self.model.standing("waiting") if one.message_id == text.message_id]
        if by_client and not text.key.startswith("keyword"):
            answer = self.do(self.desk.journal.commands.cancel(text.line, text.client, text.key, None, Reply()))
            assert answer.outcome == "canceled" or not stopped
        else:
            [steered] = self.do(self.desk.journal.steering.cancel([text.message_id]))
            assert steered.copies == len(stopped)
        self.hear(dict.fromkeys(stopped, "canceled"))

    def cancel_line(self, line: str) -> None:
        """An operator cancels all that waits on a line."""
        stopped = [text.id for text in self.model.standing("waiting", line=line)]
        self.do(self.desk.journal.steering.cancel_line(line))
        self.hear(dict.fromkeys(stopped, "canceled"))

    def steer(self, verb: str, text: Text, *, whole: bool) -> None:
        """An operator has a copy, or its whole request, held, released or tried again; a group only as a whole."""
        whole = whole or text.group
        chosen = [one for one in self.model.texts.values() if one.message_id == text.message_id] if whole else [text]
        about = text.message_id if whole else text.id
        [steered] = self.do(getattr(self.desk.journal.steering, verb)([about]))
        self.hear()
        waiting = [one for one in chosen if one.stands == "waiting"]
        if verb == "retry":
            self._try_again(chosen)
            return
        steering = [one for one in waiting if one.held is (verb == "release")]
        assert steered.copies == len(steering)
        for one in steering:
            one.held = verb == "hold"
            if one.held:
                self.model.free(one, self.now)

    def _try_again(self, chosen: Sequence[Text]) -> None:
        for text in chosen:
            if text.stands == "uncertain":
                self.model.wait_again(text, self.now, self.now)
            elif text.stands == "waiting" and text.tries and not text.held:
                text.not_before = min(text.not_before, self.now)

    def steer_line(self, line: str, *, hold: bool) -> None:
        """An operator holds a line, or releases it."""
        steering = self.desk.journal.steering
        self.do(steering.hold_line(line) if hold else steering.release_line(line))
        (self.model.held_lines.add if hold else self.model.held_lines.discard)(line)

    def give_up(self, text: Text) -> None:
        """A person gives an uncertain copy up."""
        asides = {one["copy_id"]: one["id"] for one in self.do(self.desk.journal.dead.list(1_000))}
        assert {one.id for one in self.model.standing("uncertain")} == {*asides}
        self.do(self.desk.journal.dead.discard(asides[text.id]))
        self.hear({text.id: "failed"})

    def opt(self, who: Address, line: str | None, *, out: bool) -> None:
        """An operator opts somebody out or in."""
        optouts = self.desk.journal.optouts
        self.do(optouts.add([who.value], line) if out else optouts.remove([who.value], line))
        if out:
            self.model.ledger.stop(who.value, line, self.now, "operator")
        else:
            self.model.ledger.lift(who.value, line)

    def slow(self, line: str, seconds: float) -> None:
        """The provider asks for a pause."""
        self.do(self.desk.journal.limits.slow(line, seconds))
        self.model.rest(line, self.now + timedelta(seconds=seconds))

    def next_due(self, line: str) -> datetime | None:
        """When something may be due."""
        due_at = self.do(self.desk.journal.calls.next_due(line))
        return None if due_at is None or due_at.year == HELD else due_at

    def expire(self) -> None:
        """The janitor ends what has expired."""
        while self.do(self.desk.journal.upkeep.expire()):
            pass
        self.hear()
        assert all(one.expires_at is None or one.expires_at > self.now for one in self.model.standing("waiting"))

    def end_following(self) -> None:
        """Days have passed, and the janitor ends what is followed."""
        while self.do(self.desk.journal.upkeep.end_following()):
            pass
        self.hear({one.id: "unknown" for one in self.model.standing("followed")})

    def purge(self) -> None:
        """Everything is published, and the janitor forgets what has ended."""
        self.do(self.desk.journal.events.published(self.told))
        self.told = []
        while self.do(self.desk.journal.upkeep.purge()):
            pass

    def restart(self, *, kill: bool) -> None:
        """Relay ends, one way or the other, and starts again."""
        place = self.desk.place.after_kill() if kill else self.desk.place
        self.do(self.desk.journal.aclose())
        self.clock.pass_(milliseconds=2)
        self.desk = self.do(Desk.at(place, self.clock, **ROOM))
        self.settle(self.model.wishes, self.model.scope)
        self.do(self.desk.journal.calls.recover())
        self._unanswered(self.model.standing("flying"), evidence=None)

    def count(self) -> None:
        """What waits is counted: in all, by line and by client."""
        counters, model = self.desk.journal._core.writer.counters, self.model
        expected = {WAITING_COPIES: model.waiting()}
        expected |= {waiting_here(line): model.waiting(line) for line in LINES}
        expected |= {waiting_here(line, by or ""): model.waiting(line, by) for line in LINES for by in CLIENTS}
        assert {name: counters[name] for name in expected} == expected

    def lift(self) -> None:
        """Nothing is under way, nothing is held, and the lines have no rules."""
        while self.model.standing("flying"):
            texts = self.flying(0)
            self.answer(texts, {text.id: Fact.SUBMITTED for text in texts})
        self.settle({line: Wish() for line in LINES}, self.model.scope)
        for line in LINES:
            self.steer_line(line, hold=False)
        while held := [text for text in self.model.standing("waiting") if text.held]:
            self.steer("release", held[0], whole=True)

    def end(self) -> None:
        """As time goes on everything is sent, and ends."""
        for _ in range(4 * len(self.model.texts) + 10):
            dues = []
            for line in LINES:
                while texts := self.claim(line):
                    self.answer(texts, {text.id: Fact.SUBMITTED for text in texts})
                due_at = self.next_due(line)
                assert (due_at is None) == (not self.model.standing("waiting", line=line))
                dues += [due_at] if due_at else []
            if not dues:
                break
            self.clock.time = max(self.now, min(dues))
        assert not self.model.standing("waiting", "flying")
        for text in self.model.standing("uncertain"):
            self.give_up(text)
        self.clock.pass_(days=10)
        self.end_following()
        assert all(self.finals[text] == 1 for text in self.model.texts), "each copy ends once"
        self.count()


def _whole(at: datetime) -> datetime:
    """The end of that second."""
    return at if not at.microsecond else at.replace(microsecond=0) + timedelta(seconds=1)
