"""Calls of a line that are due -> read together, with all that says whether they may begin, and what they carry.

Of most calls nothing but that is to be known: they can begin together. Whatever is out of the ordinary of a call, such
as damage, an opt-out or an earlier text to its number, is for those who look at it by itself.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, select

from relay.journal.callrows import in_one_go
from relay.journal.copies import copies_of_some
from relay.journal.copyrows import Copy
from relay.journal.optoutrows import opted_out
from relay.journal.outgoing import Echo, sums_of, whole_of
from relay.journal.schema import call, call_is_waiting
from relay.journal.terms import are_free, held_up
from relay.journal.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Load:
    """What a call carries when it begins: the copies that may be sent now, what they say, and whose wishes rule."""

    row: Row[Any]
    copies: Sequence[Copy]
    content: Mapping[str, Any] = field(repr=False)
    echo: Echo


@dataclass(frozen=True, slots=True)
class DueCall:
    """A call that is due. `load`: what it carries, where nothing speaks against it; else it is looked at by itself."""

    row: Row[Any]
    load: Load | None


def due_calls(tx: Transaction, line: str, lane: int, most: int) -> tuple[list[DueCall], bool]:
    """The first calls of a lane that are due, in their order; and whether there are no more of them.

    Args:
        tx: reads.
        line: whose.
        lane: which.
        most: how many at most; fewer, where they have many copies.
    """
    rows = tx.execute(_DUE, {"here": line, "in_lane": lane, "now": tx.now, "most": most}).all()
    if not rows:
        return [], True
    ids = in_one_go(rows)
    around = _Around.read(tx, line, lane, rows[: len(ids)])
    return [DueCall(row, around.load_of(tx, row)) for row in rows[: len(ids)]], len(ids) == len(rows) < most


@dataclass(frozen=True, slots=True)
class _Around:
    """What is known about some calls. `sums`: of the words of messages that share a call."""

    waiting: Mapping[str, Sequence[Copy]]
    whole: Mapping[str, tuple[dict[str, Any], Echo]]
    sums: Mapping[str, int]
    behind: Collection[str]
    opted_out: Collection[str]

    @classmethod
    def read(cls, tx: Transaction, line: str, lane: int, rows: Sequence[Row[Any]]) -> "_Around":
        waiting: defaultdict[str, list[Copy]] = defaultdict(list)
        for one in copies_of_some(tx, [row.id for row in rows]):
            if one.waits and one.call_id is not None:
                waiting[one.call_id].append(one)
        copies = [one for some in waiting.values() for one in some]
        own = {row.id: row.message_id for row in rows}
        guests = {one.message_id for one in copies if one.message_id != own[one.call_id or ""]}
        addresses = [one.address.value for one in copies]
        # What is damaged of an opt-out is mended when it is read, and may then be somebody else's.
        out = opted_out(tx, line, addresses) and opted_out(tx, line, addresses)
        return cls(
            waiting,
            whole_of(tx, set(own.values())),
            sums_of(tx, guests | set(own.values())) if guests else {},
            held_up(tx, line, lane, waiting),
            out,
        )

    def load_of(self, tx: Transaction, row: Row[Any]) -> Load | None:
        """What a call carries, where nothing speaks against sending all of its copies now."""
        copies, whole = self.waiting.get(row.id, ()), self.whole.get(row.message_id)
        if not copies or whole is None or row.id in self.behind:
            return None
        if row.expires_at is not None and row.expires_at <= tx.now:
            return None
        if not all(self._is_sound(one, row) for one in copies):
            return None
        # The copies whose message is the call's own come first: that one's wishes rule.
        ordered = sorted(copies, key=lambda one: one.message_id != row.message_id)
        if ordered[0].message_id != row.message_id:
            return None
        content, echo = whole
        rules, terms = tx.rules.of(row.line), {"group": content["group"], "what": echo.message_class}
        is_free = are_free(rules, ordered, tx.now, send_at=echo.send_at, **terms)
        return Load(row, ordered, content, echo) if is_free else None

    def _is_sound(self, one: Copy, row: Row[Any]) -> bool:
        """Whether a copy is undamaged, belongs to this call, and goes to somebody who wants it."""
        says_the_same = one.message_id == row.message_id or self._has_words_of(one.message_id, row.message_id)
        is_whole = one.damage is None and one.line == row.line
        return is_whole and says_the_same and one.address.value not in self.opted_out

    def _has_words_of(self, message_id: str, other: str) -> bool:
        return message_id in self.sums and self.sums[message_id] == self.sums.get(other)


_NEEDED = ("id", "line", "message_id", "lane", "due_at", "expires_at", "attempts", "size")
_DUE = (
    select(*(call.c[name] for name in _NEEDED))
    .where(
        call_is_waiting,
        call.c.line == bindparam("here"),
        call.c.lane == bindparam("in_lane"),
        call.c.due_at <= bindparam("now"),
    )
    .order_by(call.c.due_at, call.c.id)
    .limit(bindparam("most"))
    # Whoever has one locked, such as an administrator's session, is not waited for.
    .with_for_update(skip_locked=True)
)
