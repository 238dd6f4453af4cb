"""Whatever is said, by whom, on which line and in whatever order: who gets texts is what a small model says."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar, get_args

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from relay.domain.addresses import Address
from relay.domain.messages import MessageClass
from relay.journal import Listed, Source
from relay.rules.line import Scope
from tests.contract.journal.desk import ALICE, BOB
from tests.contract.journal.ledger import DESK, LINES, OFFICE, SHOP, ask, is_refused, reaches, rules, says, sent
from tests.contract.journal.machine import Machine, on_each_database

T = TypeVar("T")
PEOPLE = (ALICE, BOB)
GROUPS = ({SHOP, OFFICE}, {DESK})
AGO = st.integers(0, 20)  # minutes
WHO, LINE = st.sampled_from(PEOPLE), st.sampled_from(LINES)


# Where it was asked for, when it was said, and its turn among all that was heard of.
Stop = tuple[str | None, datetime, int]


@dataclass
class Said:
    """What one person has said, and what was said of them: the whole of it, nothing derived."""

    stops: list[Stop] = field(default_factory=list)
    starts: list[tuple[str, datetime, int]] = field(default_factory=list)

    def stands(self, stop: Stop) -> bool:
        """Whether nobody took it back: at a later time, or at the same but after it."""
        line, at, turn = stop
        return not any(where == line and (back, later) > (at, turn) for where, back, later in self.starts)

    def asked_on(self) -> set[str | None]:
        """The lines where it was asked for and not taken back; None: by an operator, for every line."""
        return {stop[0] for stop in self.stops if self.stands(stop)}

    def holding_on(self, line: str, scope: Scope) -> set[str | None]:
        """Those of them that keep a line from sending."""
        if scope is Scope.ALL:
            return self.asked_on()
        near = next(group for group in GROUPS if line in group) if scope is Scope.GROUP else {line}
        return self.asked_on() & {*near, None}


class AnyWords(Machine):
    """Three lines, two groups, two people."""

    @initialize(scope=st.sampled_from(Scope))
    def open(self, scope: Scope) -> None:
        """An empty journal."""
        self.begin()
        self.scope = scope
        self.desk.journal.follow(rules(scope))
        self.said = {who: Said() for who in PEOPLE}
        self.turn = 0
        self.held: dict[Address, set[str | None]] = {who: set() for who in PEOPLE}
        self.confirmed: dict[Address, set[str | None]] = {who: set() for who in PEOPLE}
        self.told: Counter[tuple[str, str | None, str]] = Counter()

    def heard(self, ago: int = 0) -> tuple[datetime, int]:
        """When something was said of which is heard now, and its turn; two things may have the same time."""
        self.desk.clock.pass_(minutes=1)
        self.turn += 1
        return self.desk.clock.now() - timedelta(minutes=ago), self.turn

    @rule(who=WHO, line=LINE, ago=AGO)
    def stop(self, who: Address, line: str, ago: int) -> None:
        """Somebody opts out."""
        at, turn = self.heard(ago)
        self.do(says(self.desk, "stop", line=line, sender=who, at=at))
        self.said[who].stops.append((line, at, turn))

    @rule(who=WHO, line=LINE, ago=AGO)
    def start(self, who: Address, line: str, ago: int) -> None:
        """Somebody opts in."""
        at, turn = self.heard(ago)
        self.do(says(self.desk, "start", line=line, sender=who, at=at))
        self.said[who].starts.append((line, at, turn))

    @rule(who=WHO, line=LINE)
    def refuse(self, who: Address, line: str) -> None:
        """The provider knows of a stop; it can say so only where a text is tried."""
        at, turn = self.heard()
        if self.do(reaches(self.desk, line, who)):
            self.do(is_refused(self.desk, line, who))
            self.said[who].stops.append((line, at, turn))

    @rule(who=WHO, line=st.sampled_from((*LINES, None)))
    def operate(self, who: Address, line: str | None) -> None:
        """An operator opts somebody out."""
        at, turn = self.heard()
        self.do(self.desk.journal.optouts.add([who.value], line))
        self.said[who].stops.append((line, at, turn))

    @rule(who=WHO, line=st.sampled_from((*LINES, None)), ago=AGO, source=st.sampled_from(get_args(Source)))
    def take_in(self, who: Address, line: str | None, ago: int, source: Source) -> None:
        """A list has somebody on it, and is taken in twice."""
        at, turn = self.heard(ago)
        listed = Listed(who.value, line, at, source)
        new = [self.do(self.desk.journal.optouts.import_([listed])) for _ in range(2)]
        assert new[1] == 0
        self.said[who].stops.append((line, at, turn))

    @rule(who=WHO, line=st.sampled_from((*LINES, None)))
    def lift(self, who: Address, line: str | None) -> None:
        """An operator lifts what holds."""
        self.heard()
        said = self.said[who]
        over = [stop for stop in said.stops if line in {None, stop[0]}]
        lifted = self.do(self.desk.journal.optouts.remove([who.value], line))
        assert lifted == any(said.stands(stop) for stop in over)
        said.stops = [stop for stop in said.stops if stop not in over]

    @rule()
    def die(self) -> None:
        """SIGKILL, and a new start."""
        self.do(self.desk.reopen())
        self.desk.journal.follow(rules(self.scope))

    @rule(scope=st.sampled_from(Scope))
    def settle(self, scope: Scope) -> None:
        """The operator changes the scope."""
        self.scope = scope
        self.desk.journal.follow(rules(scope))

    @rule(who=WHO, line=LINE)
    def confirm(self, who: Address, line: str) -> None:
        """More confirmations are tried than there can be opt-outs: one passes for each, and that once."""
        self.heard()
        said, tried = self.said[who], len(LINES) + 2
        for _ in range(tried):
            self.do(self.desk.send(who, line=line, message_class=MessageClass.COMPLIANCE, text="Goodbye."))
        holds = said.holding_on(line, self.scope)
        # A line that was asked itself confirms what it was asked for; one that was not, whatever keeps it from sending.
        confirms = {line} if line in holds else holds
        assert len(self.do(sent(self.desk, line))) == (len(confirms - self.confirmed[who]) if holds else tried)
        self.confirmed[who] |= confirms

    @invariant()
    def who_gets_texts_is_as_the_model_says(self) -> None:
        """On every line, at acceptance."""
        for line in LINES:
            holds = [bool(self.said[who].holding_on(line, self.scope)) for who in PEOPLE]
            expected = ["opted_out" if held else "queued" for held in holds]
            assert self.do(ask(self.desk, *PEOPLE, line=line)) == expected

    @invariant()
    def every_change_is_told_once(self) -> None:
        """On the line where it was asked for; what an operator says of every line, on each."""
        for who, said in self.said.items():
            before, now = self.held[who], said.asked_on()
            for kind, changed in (("event.opt-out", now - before), ("event.opt-in", before - now)):
                lines = LINES if None in changed else changed
                self.told.update((kind, line, who.value) for line in lines)
            self.held[who] = now
            self.confirmed[who] &= now
        events = [event for event in self.do(self.desk.events()) if event.kind in {"event.opt-out", "event.opt-in"}]
        assert Counter((event.kind, event.line, event.body["address"]) for event in events) == self.told


TestAnyWords, TestAnyWordsOnPostgresql = on_each_database(AnyWords, steps=20, examples=15)
