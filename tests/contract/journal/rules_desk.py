"""A journal and the model of its rules, side by side: whatever is done is done to both, and compared."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from relay.domain.addresses import outbound
from relay.domain.errors import Problem
from relay.domain.messages import (
    CallAnswer,
    Handover,
    MessageClass,
    OnUncertain,
    OutboundCall,
    Plan,
    Priority,
    SendRequest,
)
from relay.domain.states import Fact
from relay.journal import Answer
from relay.journal.codec import timestamp
from relay.rules.line import Scope
from tests.contract.journal.desk import ME, PROBLEM, Desk, StillClock
from tests.contract.journal.ledger import STOPPED
from tests.contract.journal.places import Place
from tests.contract.journal.rules_model import LONG_AGO, TRIES_IN_ORDER, Model, Text, Wish, all_rules

T = TypeVar("T")
ROOM = {"waiting_copies": 24, "waiting_per_line": 16, "waiting_per_client": 12}
CLIENTS = (None, "crm")
FITS = {"a": 3, "b": 2, "c": 1}  # how many copies of a text fit into a call
COMPANY = 60.0
EVIDENCE, RESENT_AFTER, LONGEST_PAUSE = (timedelta(seconds=seconds) for seconds in (120, 60, 360))
TAKEN = (Fact.SUBMITTED, Fact.SUBMITTED_UNTRACKED)
ENDS = {Fact.SUBMITTED_UNTRACKED: "submitted", Fact.REFUSED: "failed"}


@dataclass(frozen=True)
class Ask:
    """A request."""

    to: tuple[str, ...]
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
            to=tuple(map(outbound, self.to)),
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

    def __init__(self, place: Place, start: datetime) -> None:
        self.loop = asyncio.Runner()
        self.clock = StillClock()
        self.clock.time = start
        self.desk = self.do(Desk.at(place, self.clock, **ROOM))
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
        expires_at = expiry_of(request, self.now)
        if request.send_at and expires_at and expires_at <= request.send_at:
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
        if request.message_class is MessageClass.COMPLIANCE and against and code == "opted_out":
            return False  # another one confirms it
        is_out = against and request.message_class is not MessageClass.COMPLIANCE
        assert code == ("opted_out" if is_out else "unsupported" if opens is None else None)
        return code is None

    def _take(
        self, request: SendRequest, message_id: str, copy: tuple[str, str], due: datetime, *, given: bool, company: bool
    ) -> None:
        """The model takes a copy in."""
        now, later = self.now, request.send_at
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
            expires_at=expiry_of(request, now),
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
        left = [model.texts[one] for one in owed if model.texts[one].lane in before]
        assert not left, f"a copy waits that may be sent: {left}"
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


def expiry_of(request: SendRequest, now: datetime) -> datetime | None:
    """When it expires: a `ttl` ends with a second."""
    if request.ttl is None:
        return request.expires_at
    at = now + timedelta(seconds=request.ttl)
    return at.replace(microsecond=0) + timedelta(seconds=1) if at.microsecond else at
