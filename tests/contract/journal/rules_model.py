"""The rules of sending as a plain program says them: lists, loops and clocks on the wall, nothing of relay's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from relay.domain.messages import MessageClass, OnUncertain
from relay.rules.hours import SendingHours
from relay.rules.line import LineRules, Rules, Scope
from tests.contract.journal.ledger import DESK, LINES, OFFICE, SHOP, rules

SEATTLE, NEW_YORK, PHOENIX, ALASKA, TOLL_FREE = (f"+1{area}5550101" for area in ("206", "212", "480", "907", "888"))
PEOPLE = (SEATTLE, NEW_YORK, PHOENIX, ALASKA, TOLL_FREE)
STATES = ("New_York", "Chicago", "Denver", "Phoenix", "Los_Angeles", "Anchorage", "Adak", "Honolulu")
ZONES: Mapping[str, tuple[str, ...]] = {
    SEATTLE: ("Los_Angeles",),
    NEW_YORK: ("New_York",),
    PHOENIX: ("Phoenix",),
    ALASKA: ("Anchorage", "Adak"),
}
DAYTIME, WEEK, NIGHT, NOON = (
    "08:00-21:00",
    "mon-fri 09:00-18:00, sat 10:00-14:00",
    "00:00-01:30, 22:00-24:00",
    "12:00-13:00",
)
IS_OPEN: Mapping[str, Callable[[int, float], bool]] = {
    DAYTIME: lambda _, hour: 8 <= hour < 21,
    WEEK: lambda day, hour: 9 <= hour < 18 if day < 5 else day == 5 and 10 <= hour < 14,
    NIGHT: lambda _, hour: hour < 1.5 or hour >= 22,
    NOON: lambda _, hour: 12 <= hour < 13,
}
NEVER = datetime.max.replace(tzinfo=UTC)
LONG_AGO = datetime.min.replace(tzinfo=UTC)
TRIES_IN_ORDER = 5
LOOKS_AGAIN = timedelta(minutes=10)  # a text behind another looks by itself after so long


@dataclass(frozen=True)
class Wish:
    """What the operator wants of a line."""

    hours: str | None = None
    urgent_any_time: bool = False
    zone: str | None = None
    calls_per_day: int | None = None
    calls_per_second: float | None = None
    company: float = 0.0
    replies: bool = False

    def rules_of(self, line: str) -> LineRules:
        """It as relay has it."""
        return rules(
            Scope.ALL,
            *(("stop", "start", "help") if self.replies else ()),
            hours=self.hours and SendingHours.parse(self.hours),
            urgent_any_time=self.urgent_any_time,
            zones=(ZoneInfo(f"America/{self.zone}"),) if self.zone else (),
            calls_per_day=self.calls_per_day,
            calls_per_second=self.calls_per_second,
            company=self.company,
        ).of(line)


def all_rules(wishes: Mapping[str, Wish], scope: Scope) -> Rules:
    """The rules of all lines, as relay has them."""
    return Rules({line: wish.rules_of(line) for line, wish in wishes.items()}, scope)


@lru_cache(maxsize=100_000)
def is_open(hours: str, zones: tuple[str, ...], at: datetime) -> bool:
    """Whether it is a time to send, in all zones."""
    local = [at.astimezone(ZoneInfo(f"{'Pacific' if zone == 'Honolulu' else 'America'}/{zone}")) for zone in zones]
    return all(IS_OPEN[hours](clock.weekday(), clock.hour + clock.minute / 60) for clock in local)


@lru_cache(maxsize=10_000)
def opening(hours: str, zones: tuple[str, ...], at: datetime) -> datetime | None:
    """The first moment from `at` on that is a time to send: all hours here begin and end with half hours."""
    moment = at
    while moment < at + timedelta(days=14):
        if is_open(hours, zones, moment):
            return moment
        moment = moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0) + timedelta(minutes=30)
    return None


@dataclass
class Stop:
    """That somebody wants no more texts: who, where (None: everywhere), who says so, and when it was said."""

    who: str
    line: str | None
    source: str
    first: int  # its place among all that was heard of
    last: datetime


class Ledger:
    """Who wants no more texts."""

    def __init__(self) -> None:
        self.stops: list[Stop] = []
        self.starts: dict[tuple[str, str], datetime] = {}
        self.heard = 0

    def stop(self, who: str, line: str | None, at: datetime, source: str) -> None:
        """Heard of now; a later START was heard of before."""
        self.heard += 1
        if line is not None and self.starts.get((who, line), LONG_AGO) > at:
            return
        for one in self.stops:
            if (one.who, one.line, one.source) == (who, line, source):
                one.last = max(one.last, at)
                return
        self.stops.append(Stop(who, line, source, self.heard, at))

    def start(self, who: str, line: str, at: datetime) -> None:
        """Takes back what was said on this line until then."""
        self.starts[who, line] = max(at, self.starts.get((who, line), LONG_AGO))
        self.stops = [one for one in self.stops if (one.who, one.line) != (who, line) or one.last > at]

    def lift(self, who: str, line: str | None) -> None:
        """An operator takes it back, on one line or all of it."""
        self.stops = [one for one in self.stops if one.who != who or line not in {None, one.line}]

    def against(self, who: str, line: str, scope: Scope) -> set[int]:
        """The opt-outs that keep this line from sending to somebody: the first words of each line's."""
        near = {Scope.ALL: {*LINES}, Scope.GROUP: {SHOP, OFFICE} if line != DESK else {DESK}, Scope.LINE: {line}}[scope]
        here = [one for one in self.stops if one.who == who and one.line in {None, *near}]
        return {min(one.first for one in here if one.line == place) for place in {one.line for one in here}}


@dataclass(eq=False)
class Text:
    """A copy that was accepted."""

    id: str
    key: str
    message_id: str
    line: str
    who: str
    client: str | None
    lane: int
    what: MessageClass
    words: str
    group: bool
    wish: OnUncertain
    receipts: bool
    expires_at: datetime | None
    send_at: datetime | None
    given: bool  # the provider waits for `send_at`
    not_before: datetime
    by: datetime  # when it is due at the latest
    later: datetime  # until then it has a time of its own, and lets others pass
    patience: datetime = LONG_AGO  # until then it may wait behind another that is gone
    stands: str = "waiting"  # flying, uncertain, followed, over
    tries: int = 0
    held: bool = False
    answers: set[int] = field(default_factory=set)  # the opt-outs that it may confirm
    is_confirmation: bool = False
    call_id: str = ""
    is_unseen: bool = False

    def shares_with(self) -> tuple[object, ...]:
        """Equal for those that may travel together."""
        return (self.line, self.lane, self.what, self.words, self.wish, self.receipts, self.expires_at, self.group)


class Model:
    """All copies, and what the rules say of them."""

    def __init__(self) -> None:
        self.texts: dict[str, Text] = {}
        self.ledger = Ledger()
        self.wishes = {line: Wish() for line in LINES}
        self.scope = Scope.ALL
        self.held_lines: set[str] = set()
        self.rests: dict[str, datetime] = {}
        self.calls: dict[tuple[str, object], int] = {}

    def standing(self, *stands: str, line: str | None = None) -> list[Text]:
        """The copies that stand so, in the order in which they were accepted."""
        return [text for text in self.texts.values() if text.stands in stands and line in {None, text.line}]

    def waiting(self, line: str | None = None, client: object = ...) -> int:
        """How many count as waiting."""
        return sum(client in {..., text.client} for text in self.standing("waiting", "flying", line=line))

    def opens(self, line: str, who: Sequence[str], what: MessageClass, at: datetime) -> datetime | None:
        """When the line may send to all of these."""
        wish = self.wishes[line]
        unknown = (wish.zone,) if wish.zone else STATES
        bound = [] if wish.hours is None else [one for one in who if not self.is_free(line, one, what)]
        zones = tuple(sorted({zone for one in bound for zone in ZONES.get(one, unknown)}))
        return opening(wish.hours, zones, at) if wish.hours and zones else at

    def is_free(self, line: str, who: str, what: MessageClass) -> bool:
        """Whether it may go at any hour: what confirms an opt-out may, and where the line says so what is urgent."""
        if what is MessageClass.COMPLIANCE:
            return bool(self.ledger.against(who, line, self.scope))
        return what is MessageClass.URGENT and self.wishes[line].urgent_any_time

    def opens_for(self, text: Text, now: datetime) -> datetime | None:
        """When its hours, and those of its group, come."""
        at = max(text.send_at or now, now) if text.given else now
        opens = self.opens(text.line, [one.who for one in self.mates(text)], text.what, at)
        return now if opens == at else opens

    def mates(self, text: Text) -> list[Text]:
        """Those that go with it or not at all."""
        if not text.group:
            return [text]
        return [one for one in self.standing("waiting") if one.message_id == text.message_id] or [text]

    def against(self, text: Text) -> set[int]:
        """The opt-outs that speak against it."""
        return self.ledger.against(text.who, text.line, self.scope)

    def is_refused(self, text: Text) -> bool:
        """Whether it goes to somebody who wants none, and is no confirmation."""
        return text.what is not MessageClass.COMPLIANCE and bool(self.against(text))

    def earlier(self, text: Text) -> list[Text]:
        """The texts of its conversation that were accepted before it."""
        before = takewhile(lambda one: one is not text, self.texts.values())
        return [one for one in before if (one.line, one.who, one.lane) == (text.line, text.who, text.lane)]

    def ahead(self, text: Text) -> list[Text]:
        """Those of them that are not handed over."""
        return [one for one in self.earlier(text) if one.stands in {"waiting", "flying"}]

    def objection(self, text: Text, now: datetime) -> str | None:
        """Why a call with it may not begin now."""
        objections = {
            "it does not wait": text.stands != "waiting",
            "it has expired": text.expires_at is not None and now >= text.expires_at,
            "it is held": text.held,
            "its line is held": text.line in self.held_lines,
            "its time has not come": now < text.not_before,
            "its recipient has opted out": self.is_refused(text),
            "its hours are over": self.opens_for(text, now) != now,
            "an earlier text waits": any(not self.lets_pass(one, now, one.later) for one in self.ahead(text)),
            "the line rests": now < self.rests.get(text.line, LONG_AGO),
            "the day is spent": not self.has_calls_left(text.line, now),
        }
        return next((why for why, holds in objections.items() if holds), None)

    def lets_pass(self, one: Text, now: datetime, later: datetime) -> bool:
        """Whether it does not hold up the texts after it; `later`: the time of its own that it waits for."""
        if one.stands == "waiting":
            expired = one.expires_at is not None and now >= one.expires_at
            return one.held or expired or one.tries >= TRIES_IN_ORDER or now < later
        return one.tries >= TRIES_IN_ORDER

    def has_calls_left(self, line: str, now: datetime) -> bool:
        """Whether the day, UTC, has calls left."""
        most = self.wishes[line].calls_per_day
        return most is None or self.calls.get((line, now.date()), 0) < most

    def owed(self, line: str, lanes: Sequence[int], now: datetime) -> set[str]:
        """The copies that nothing speaks against: as long as there are any, a call is to be had."""
        return {
            text.id
            for text in self.standing("waiting", line=line)
            if text.lane in lanes
            and all(self.objection(one, now) is None for one in self.mates(text))
            and not self.against(text)
            and all(self.is_prompt(one, now) for one in self.mates(text))
        }

    def is_prompt(self, text: Text, now: datetime) -> bool:
        """Whether there is no excuse for letting it wait."""
        free = all(self.lets_pass(one, now, self.own_time(one)) for one in self.ahead(text))
        return free and now >= text.by and now >= text.patience

    def own_time(self, text: Text) -> datetime:
        """The time that it waits for itself, whoever has looked at it."""
        return text.send_at if text.send_at is not None and not text.given else LONG_AGO

    def looked_at(self, line: str, lanes: Sequence[int], now: datetime) -> None:
        """A call is looked for: what may not be sent now is put off, if it was its turn."""
        for text in self.standing("waiting", line=line):
            if text.lane not in lanes:
                continue
            text.answers |= self.against(text)
            opens = self.opens_for(text, now)
            if opens is not None and opens > now >= text.not_before and not text.held:
                text.by, text.later = max(text.by, opens), max(text.later, opens)
            if not all(self.lets_pass(one, now, self.own_time(one)) for one in self.ahead(text)):
                for one in self.mates(text):
                    one.patience = now + LOOKS_AGAIN

    def begin(self, text: Text, call_id: str, *, unseen: bool) -> None:
        """A call begins with it."""
        text.stands, text.call_id, text.is_unseen = "flying", call_id, unseen
        text.tries += 1
        if against := self.against(text):
            text.answers |= against
            text.is_confirmation = True

    def spend(self, line: str, now: datetime) -> None:
        """A call begins."""
        self.calls[line, now.date()] = self.calls.get((line, now.date()), 0) + 1
        if pace := self.wishes[line].calls_per_second:
            self.rest(line, now + timedelta(seconds=1 / pace))

    def rest(self, line: str, until: datetime) -> None:
        """No call begins before."""
        self.rests[line] = max(until, self.rests.get(line, LONG_AGO))

    def wait_again(self, text: Text, at: datetime, now: datetime, by: datetime | None = None) -> None:
        """It is to be tried again."""
        text.stands, text.not_before, text.by = "waiting", at, by or at
        if text.tries >= TRIES_IN_ORDER:
            self.free(text, now)

    def end(self, text: Text, stands: str, now: datetime) -> None:
        """It is not to be sent any more, as far as is known."""
        text.stands = stands
        self.free(text, now)

    def free(self, text: Text, now: datetime) -> None:
        """Those behind it need not wait for it."""
        for one in self.standing("waiting"):
            if text in self.earlier(one):
                for mate in self.mates(one):
                    mate.patience = min(mate.patience, now)

    def confirmations_fit(self) -> bool:
        """Whether each confirmation that went out answers an opt-out of its own."""
        out = [text for text in self.texts.values() if text.is_confirmation]
        return _fit([text.answers for text in out])


def _fit(wants: Sequence[set[int]]) -> bool:
    if not wants:
        return True
    return any(_fit([one - {mine} for one in wants[1:]]) for mine in wants[0])
