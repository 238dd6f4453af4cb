"""How many notices of what was set aside went out for a line: a flood of them is counted, and told in one."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from sqlalchemy import bindparam, select

from relay.journal.columns import as_json
from relay.journal.memoryrows import put_memory
from relay.journal.schema import memory
from relay.journal.transaction import Transaction

WITHIN = timedelta(minutes=1)
MOST_TOLD = 20  # notices of a line within that time, each about one thing
MOST_ALIKE = 10  # notices after it, each about all that are alike; and one for each kind that is not among them
_OWNER = "set aside"  # no line's: an alias holds no blank


@dataclass(frozen=True, slots=True)
class Untold:
    """Things that are alike, and were listed without a notice: the first of them, and how many there are."""

    kind: str
    what: str
    why: str
    about: str
    aside_id: str
    things: int


@dataclass(slots=True)
class _Tally:
    """What was told of a line since a moment, and what was not."""

    since: float
    told: int = 0
    untold: list[Untold] = field(default_factory=list)

    def is_over(self, now: float) -> bool:
        """A clock that was set back begins a new one, too."""
        return not self.since <= now < self.since + WITHIN.total_seconds()

    def add(self, one: Untold) -> None:
        """Count what is not told one by one. With too many reasons, the last of a kind stands for the others of it."""
        fitting = [place for place, known in enumerate(self.untold) if _are_alike(known, one)]
        if not fitting and len(self.untold) >= MOST_ALIKE:
            fitting = [place for place, known in enumerate(self.untold) if known.kind == one.kind][-1:]
        if fitting:
            self.untold[fitting[0]] = _joined(self.untold[fitting[0]], one)
        else:
            self.untold.append(one)


def is_told(tx: Transaction, line: str | None, one: Untold) -> tuple[bool, Sequence[Untold]]:
    """Whether there is to be a notice of `one` now, or later one of all that are alike; and those that are due now."""
    tally, due = _due(tx, line)
    told = tally.told < MOST_TOLD
    if told:
        tally.told += 1
    else:
        tally.add(one)
    _keep(tx, line, tally)
    return told, due


def take_untold(tx: Transaction) -> list[tuple[str | None, Untold]]:
    """What is to be told now, line by line; it is not given out again."""
    found: list[tuple[str | None, Untold]] = []
    for row in tx.execute(_ALL, {"by": _OWNER}).all():
        line = row.key or None
        tally, due = _due(tx, line)
        if due:
            _keep(tx, line, tally)
            found += [(line, one) for one in due]
    return found


def _due(tx: Transaction, line: str | None) -> tuple[_Tally, Sequence[Untold]]:
    """The line's tally as it is now, and what the one before it had not told."""
    value = tx.execute(_ONE, {"by": _OWNER, "named": line or ""}).scalar()
    now = tx.now.timestamp()
    if value is None:
        return _Tally(now), ()
    try:
        kept = json.loads(value)
        tally = _Tally(float(kept["since"]), int(kept["told"]), [Untold(**one) for one in kept["untold"]])
    except (ValueError, KeyError, TypeError):
        # A disk has changed it: what it counted is listed all the same.
        return _Tally(now), ()
    return (_Tally(now), tally.untold) if tally.is_over(now) else (tally, ())


def _keep(tx: Transaction, line: str | None, tally: _Tally) -> None:
    put_memory(tx, _OWNER, line or "", as_json(asdict(tally)))


def _are_alike(known: Untold, one: Untold) -> bool:
    return (known.kind, known.what, known.why) == (one.kind, one.what, one.why)


def _joined(known: Untold, one: Untold) -> Untold:
    why = known.why if _are_alike(known, one) else "for several reasons"
    return Untold(known.kind, known.what, why, known.about, known.aside_id, known.things + one.things)


_ALL = select(memory.c.key).where(memory.c.owner == bindparam("by")).order_by(memory.c.key)
_ONE = select(memory.c.value).where(memory.c.owner == bindparam("by"), memory.c.key == bindparam("named"))
