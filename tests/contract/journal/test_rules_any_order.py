"""Whatever happens in whatever order: no call is made for a copy that the rules forbid, and each copy ends once."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from relay.domain.messages import MessageClass, OnUncertain, Priority
from relay.domain.states import Fact
from relay.rules.line import Scope
from tests.contract.journal.desk import PROBLEM
from tests.contract.journal.ledger import DESK, LINES, OFFICE, SHOP, STOPPED
from tests.contract.journal.machine import Machine, on_each_database
from tests.contract.journal.rules_desk import CLIENTS, COMPANY, Ask
from tests.contract.journal.rules_model import (
    ALASKA,
    DAYTIME,
    NEW_YORK,
    NIGHT,
    NOON,
    PEOPLE,
    PHOENIX,
    SEATTLE,
    TOLL_FREE,
    WEEK,
    Wish,
)
from tests.contract.journal.rules_office import RulesOffice

Pair = tuple[Ask, Ask, str, bool]
Act = str | Pair

STARTS = (
    datetime(2026, 10, 30, 15, tzinfo=UTC),  # a Friday morning in Seattle
    datetime(2026, 11, 1, 5, 45, tzinfo=UTC),  # the clocks are put back in New York at 6, in Seattle at 9
    datetime(2026, 10, 31, 20, 59, 30, tzinfo=UTC),
)
FACTS = (Fact.SUBMITTED, Fact.SUBMITTED, Fact.SUBMITTED_UNTRACKED, Fact.REFUSED, Fact.UNANSWERED, Fact.RETRIED)
PAUSES = (
    {"seconds": 1},
    {"seconds": 30},
    {"minutes": 2},
    {"minutes": 11},
    {"minutes": 61},
    {"hours": 5},
    {"hours": 11},
)
LINE, ANY = st.sampled_from((SHOP, SHOP, SHOP, OFFICE, DESK)), st.integers(0, 20)
WHO = st.sampled_from((SEATTLE, SEATTLE, SEATTLE, NEW_YORK, NEW_YORK, PHOENIX, ALASKA, TOLL_FREE))
LANES = st.sampled_from(((0, 1, 2),) * 6 + ((1, 0, 2), (2, 1, 0), (0,), (1,)))
ASKS = st.builds(
    Ask,
    to=st.lists(WHO, min_size=1, max_size=3, unique=True).map(tuple),
    line=LINE,
    words=st.sampled_from("aabbc"),
    client=st.sampled_from(CLIENTS),
    priority=st.sampled_from((Priority.NORMAL,) * 4 + (Priority.HIGH, Priority.BULK)),
    what=st.sampled_from((MessageClass.NORMAL,) * 3 + (MessageClass.URGENT, MessageClass.COMPLIANCE)),
    wish=st.sampled_from(OnUncertain),
    ttl=st.sampled_from((None, None, 90.0, 7200.0)),
    later=st.sampled_from((None, None, None, 60.0, 36_000.0)),
    given=st.booleans(),
    group=st.sampled_from((False,) * 5 + (True,)),
    receipts=st.sampled_from((True, True, False)),
)
# A request, and one like it: to others, perhaps, and perhaps different in one thing.
DIFFERENT = ("", "priority", "what", "ttl", "wish", "receipts", "later", "words", "client", "line")
PAIRS = st.tuples(ASKS, ASKS, st.sampled_from(DIFFERENT), st.booleans())
WISHES = st.builds(
    Wish,
    hours=st.sampled_from((None, None, None, DAYTIME, WEEK, NIGHT, NIGHT, NOON)),
    urgent_any_time=st.booleans(),
    zone=st.sampled_from((None, "Denver")),
    calls_per_day=st.sampled_from((None, None, 2, 5)),
    calls_per_second=st.sampled_from((None, None, 4.0, 0.01)),
    company=st.sampled_from((0.0, 0.0, 5.0, COMPANY)),
    replies=st.booleans(),
)
# What clients and senders do meanwhile.
ACTS = st.sampled_from(("claim",) * 5 + ("taken",) * 3 + ("retry", "release", "refused", "silence", "pass"))
WORK = st.lists(st.one_of(ACTS, ACTS, PAIRS), max_size=5)
WORDS = st.sampled_from(("STOP", "STOP", "Stop.", "start", "YES", "help"))
AGO = st.sampled_from((0, 0, 0, 1, 5, 600))  # minutes


class RulesInAnyOrder(Machine):
    """Three lines, two of them a group; five people in the country's time zones, one of whom may be anywhere."""

    @initialize(
        start=st.sampled_from((*STARTS, STARTS[1])),
        scope=st.sampled_from(Scope),
        wishes=st.tuples(WISHES, WISHES, WISHES),
        pairs=st.lists(PAIRS, max_size=3),
        work=WORK,
    )
    def open(
        self,
        start: datetime,
        scope: Scope,
        wishes: tuple[Wish, ...],
        pairs: Sequence[Pair],
        work: Sequence[Act],
    ) -> None:
        """An empty journal, and some requests."""
        self.at = RulesOffice(self.place(), start)
        self.model = self.at.model
        self.at.settle(dict(zip(LINES, wishes, strict=True)), scope)
        self.work([*pairs, *work])

    def work(self, acts: Sequence[Act]) -> None:
        """Clients send meanwhile; senders take calls, and end the oldest that is under way."""
        for act in acts:
            if isinstance(act, tuple):
                self.request(*act)
            elif act == "pass":
                self.at.clock.pass_(seconds=30)
            elif act == "claim":
                for line in LINES:
                    self.at.claim(line, unseen=line == SHOP)
            elif self.model.standing("flying"):
                texts = self.at.flying(0)
                if act == "taken":
                    self.at.answer(texts, {text.id: Fact.SUBMITTED for text in texts})
                elif act == "silence":
                    self.at.is_not_answered(texts, evidence=False)
                else:
                    self.at.fails(texts, act, 20)

    def request(self, ask: Ask, other: Ask, different: str, to_others: bool) -> None:
        """A request, and one like it."""
        like = {different: getattr(other, different)} if different else {}
        if to_others:
            like["to"] = tuple(who for who in PEOPLE if who not in ask.to)[:2]
        self.at.send(ask)
        self.at.send(replace(ask, **like))

    @rule(pairs=st.lists(PAIRS, min_size=1, max_size=2), work=WORK)
    def send(self, pairs: Sequence[Pair], work: Sequence[Act]) -> None:
        """Requests."""
        self.work([*pairs, *work])

    @rule(how=st.sampled_from(("retry", "silence", "release")), times=st.integers(2, 6))
    def insist(self, how: str, times: int) -> None:
        """It goes on like that for a while."""
        for _ in range(times):
            self.work(["claim", how])
            self.at.clock.pass_(minutes=6)

    @rule(lines=st.permutations(LINES), lanes=LANES, unseen=st.booleans(), times=st.integers(1, 4))
    def claim(self, lines: Sequence[str], lanes: Sequence[int], unseen: bool, times: int) -> None:
        """Senders take calls."""
        for line in lines:
            for _ in range(times):
                if self.at.claim(line, lanes, unseen=unseen) is None:
                    break

    @precondition(lambda self: self.model.standing("flying"))
    @rule(which=ANY, facts=st.tuples(*(st.sampled_from(FACTS) for _ in range(3))), stopped=st.booleans())
    def answer(self, which: int, facts: Sequence[Fact], stopped: bool) -> None:
        """The provider answers, for each copy."""
        texts = self.at.flying(which)
        told = {text.id: fact for text, fact in zip(texts, facts, strict=False)}
        self.at.answer(texts, told, STOPPED if stopped else PROBLEM)

    @precondition(lambda self: self.model.standing("flying"))
    @rule(
        which=ANY,
        how=st.sampled_from(("retry", "retry", "release", "divide", "refused", "silence", "silence")),
        pause=st.sampled_from((0, 20, 400)),
    )
    def fail(self, which: int, how: str, pause: float) -> None:
        """A call ends in another way."""
        texts = self.at.flying(which)
        if how == "silence":
            self.at.is_not_answered(texts, evidence=pause > 0)
        else:
            self.at.fails(texts, how, pause)

    @rule(who=WHO, line=LINE, said=st.lists(st.tuples(WORDS, AGO), min_size=1, max_size=3), work=WORK)
    def write(self, who: str, line: str, said: Sequence[tuple[str, int]], work: Sequence[Act]) -> None:
        """Somebody writes keywords; they come in disorder."""
        for word, ago in said:
            self.at.write(word, who, line, ago)
        self.work(work)

    @rule(who=WHO, line=LINE | st.none(), out=st.booleans(), work=WORK)
    def opt(self, who: str, line: str | None, out: bool, work: Sequence[Act]) -> None:
        """An operator opts somebody out or in."""
        self.at.opt(who, line, out=out)
        self.work(work)

    @precondition(lambda self: self.model.standing("waiting", "flying"))
    @rule(which=ANY, by=st.sampled_from(("client",) * 5 + ("operator",) * 4 + ("line",)))
    def cancel(self, which: int, by: str) -> None:
        """A request, or a whole line, is canceled."""
        live = self.model.standing("waiting", "flying")
        text = live[which % len(live)]
        if by == "line":
            self.at.cancel_line(text.line)
        else:
            self.at.cancel(text, by_client=by == "client")

    @precondition(lambda self: self.model.standing("waiting", "uncertain"))
    @rule(
        which=ANY,
        verbs=st.lists(st.sampled_from(("hold", "hold", "release", "retry", "give up")), min_size=1, max_size=3),
        whole=st.booleans(),
        work=WORK,
    )
    def steer(self, which: int, verbs: Sequence[str], whole: bool, work: Sequence[Act]) -> None:
        """An operator steers copies."""
        live = self.model.standing("waiting", "uncertain")
        text = sorted(live, key=lambda one: (one.held != (verbs[0] == "release"), one.stands == "waiting"))[
            which % len(live)
        ]
        for verb in verbs:
            if verb != "give up":
                self.at.steer(verb, text, whole=whole)
            elif text.stands == "uncertain":
                self.at.give_up(text)
        self.work(work)

    @rule(line=LINE, what=st.sampled_from(("hold", "release", "release", "slow")))
    def steer_line(self, line: str, what: str) -> None:
        """An operator holds a line, or releases it; the provider asks for a pause."""
        if what == "slow":
            self.at.slow(line, 90)
        else:
            self.at.steer_line(line, hold=what == "hold")

    @rule(line=LINE, wish=WISHES, scope=st.none() | st.sampled_from(Scope), work=WORK)
    def settle(self, line: str, wish: Wish, scope: Scope | None, work: Sequence[Act]) -> None:
        """The operator changes a line's rules, perhaps the scope of opt-outs."""
        self.at.settle({**self.model.wishes, line: wish}, scope or self.model.scope)
        self.work(work)

    @rule(pause=st.sampled_from(PAUSES), work=WORK)
    def wait(self, pause: dict[str, float], work: Sequence[Act]) -> None:
        """Time passes."""
        self.at.clock.pass_(**pause)
        self.work(work)

    @rule(line=LINE, which=ANY, what=st.sampled_from(("due", "due", "expiry")), early=st.sampled_from((0, 0, 1)))
    def wait_until(self, line: str, which: int, what: str, early: int) -> None:
        """Until the very moment when a copy may be due, or expires, or one before; and a sender takes a call."""
        if what == "due":
            moments = [self.at.next_due(line)]
        else:
            moments = [one.expires_at for one in self.model.standing("waiting", "flying")]
        known = sorted(at for at in moments if at is not None)
        if known:
            at = known[which % len(known)] - timedelta(microseconds=early)
            self.at.clock.time = max(self.at.now, at)
            self.work(["claim"])

    @rule(what=st.sampled_from(("restart", "kill", "kill", "kill", "expire", "days")), which=ANY, work=WORK)
    def live(self, what: str, which: int, work: Sequence[Act]) -> None:
        """Relay ends and starts again, the janitor comes, a copy arrives."""
        if what in {"restart", "kill"}:
            self.at.restart(kill=what == "kill")
        elif what == "expire":
            self.at.expire()
        else:
            self.at.clock.pass_(days=8)
            for text in self.model.standing("followed")[: which % 4]:
                self.at.report(text)
            self.at.end_following()
            self.at.purge()
        self.work(work)

    @invariant()
    def what_waits_is_counted(self) -> None:
        """After every step."""
        self.at.count()

    def teardown(self) -> None:
        """Nothing is left when the rules are lifted and time goes on."""
        try:
            if hasattr(self, "at") and sys.exc_info()[0] is None:
                self.at.lift()
                self.at.end()
        finally:
            if hasattr(self, "at"):
                self.at.close()
            super().teardown()


TestRulesInAnyOrder, TestRulesInAnyOrderOnPostgresql = on_each_database(
    RulesInAnyOrder, steps=40, examples=settings().max_examples * 2 // 5
)
