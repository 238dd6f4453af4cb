"""What the operator wants of each line, as the rules of sending need it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from relay.domain.addresses import Address
from relay.domain.keywords import Keyword
from relay.domain.messages import MessageClass, Plan
from relay.rules.hours import SendingHours
from relay.rules.zones import zones_of


class Scope(StrEnum):
    """For which lines an opt-out holds that was asked for on one of them."""

    ALL = "all"
    GROUP = "group"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class KeywordReply:
    """The operator's answer to a keyword, and how the line will send it."""

    text: str = field(repr=False)
    plan: Plan


@dataclass(frozen=True, slots=True)
class LineRules:
    """The rules of one line.

    Attributes:
        line: its alias.
        group: the lines that share opt-outs with it, where the scope is `group`.
        hours: when it may send, in the recipient's own time; None: at any time.
        urgent_any_time: whether `class: "urgent"` passes the hours.
        zones: the zones to take where a recipient's is not known.
        calls_per_second: at most so many calls begin in any second.
        calls_per_day: at most so many calls a day, UTC.
        calls_per_month: at most so many calls a calendar month, UTC.
        calls_kept: calls of a day that are kept for reading the inbox, so that sending does not use them up.
        company: seconds for which a copy that is ready waits for others with the same text.
        replies: what is answered to keywords.
    """

    line: str
    group: str | None = None
    hours: SendingHours | None = None
    urgent_any_time: bool = False
    zones: tuple[ZoneInfo, ...] = ()
    calls_per_second: float | None = None
    calls_per_day: int | None = None
    calls_per_month: int | None = None
    calls_kept: int = 0
    company: float = 0.0
    replies: Mapping[Keyword, KeywordReply] = field(default_factory=dict)

    def opens(self, address: Address, what: MessageClass, at: datetime) -> datetime | None:
        """The first moment from `at` on when the line may send to this recipient; None: there is none.

        A confirmation of an opt-out may go at any time: it is owed at once.
        """
        if (
            self.hours is None
            or what is MessageClass.COMPLIANCE
            or (what is MessageClass.URGENT and self.urgent_any_time)
        ):
            return at
        return _opens(self.hours, zones_of(address, self.zones), at)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of all lines.

    Attributes:
        lines: those of each line, by alias.
        scope: for which lines an opt-out holds.
    """

    lines: Mapping[str, LineRules] = field(default_factory=dict)
    scope: Scope = Scope.ALL

    def of(self, line: str) -> LineRules:
        """The rules of a line; none at all for a line that is not known (any more)."""
        return self.lines.get(line) or LineRules(line)


@lru_cache(maxsize=1024)
def _opens(hours: SendingHours, zones: tuple[ZoneInfo, ...], at: datetime) -> datetime | None:
    """The recipients of one request are many, and their time zones few."""
    return hours.opens(at, zones)
