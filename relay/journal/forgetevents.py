"""A forgotten person's events -> the same events without them, and messages of theirs -> wiped.

An event keeps its id, its place and what it says of others. What is not published yet is published like this: whoever
waits for the final receipt of a copy gets it.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row, delete, func, select, update

from relay.domain.spellings import Spellings
from relay.journal.columns import as_json
from relay.journal.erasure import Erasure, pieces
from relay.journal.listing import one_of
from relay.journal.outgoing import FORGOTTEN
from relay.journal.redacting import Redacted, redact
from relay.journal.scanning import found
from relay.journal.schema import event, message, message_is_told
from relay.journal.sums import event_sum
from relay.journal.transaction import STANDS_FOR, UNPUBLISHED, Transaction


@dataclass(frozen=True, slots=True)
class _Told:
    """An event, and what is left of it; None where it is damaged, and nothing is."""

    row: Row[Any]
    left: Redacted | None


async def forget_events(erasure: Erasure) -> None:
    """Take them out of every event that tells of them."""
    who = erasure.who

    def wanted(row: Row[Any]) -> bool:
        return (
            who.stand_in(row.body)
            or _is_answered_at(row, who)
            or who.stand_in(row.subject.encode())
            or _may_be_nobodys(row.body)
        )

    async for rows in found(erasure.reader, select(event), event.c.position, 0, wanted):
        for some in pieces(rows):
            told = [_told(row, who) for row in some]
            tokens = [token for one in told if one.left for token in one.left.tokens]
            # The files first: afterwards nobody knows whose they were.
            await erasure.drop_media(tokens)
            erasure.done["media"] += len(tokens)
            erasure.done += await erasure.writer.run(partial(_write, told=told, who=who))


def _is_answered_at(row: Row[Any], who: Spellings) -> bool:
    """Whether its client has put them into the topic at which it waits for this."""
    return row.reply is not None and who.stand_in(row.reply)


def _may_be_nobodys(body: bytes) -> bool:
    """Whether it has what a client said of a message whose last recipient may be forgotten just now."""
    return _NOBODY in body and _NOTHING_SAID not in body


def _told(row: Row[Any], who: Spellings) -> _Told:
    was: Any = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
    return _Told(row, redact(json.loads(row.body), who) if event_sum(was) == row.sum else None)


def _write(tx: Transaction, told: Sequence[_Told], who: Spellings) -> Counter[str]:
    told = _as_they_are(tx, told, who)
    subjects = [one.row.subject for one in told]
    wiped = select(message.c.id).where(one_of(message.c.id, subjects), func.length(message.c.content) == 0)
    alone = set(tx.execute(wiped).scalars())
    changed = sum(_write_one(tx, one, who, alone=alone) for one in told)
    theirs = [one.row.subject for one in told if one.left is not None and one.left.is_theirs]
    return Counter(events=changed, messages=_wipe(tx, theirs))


def _as_they_are(tx: Transaction, told: Sequence[_Told], who: Spellings) -> list[_Told]:
    """The same events: another node may have taken somebody else out of them since they were read."""
    rows = tx.execute(select(event).where(one_of(event.c.position, [one.row.position for one in told])))
    now = {row.position: row for row in rows}
    there = [(one, now[one.row.position]) for one in told if one.row.position in now]
    return [one if row.sum == one.row.sum else _told(row, who) for one, row in there]


def _write_one(tx: Transaction, one: _Told, who: Spellings, *, alone: set[str]) -> int:
    """Gives how many events changed."""
    here = (event.c.position == one.row.position, event.c.id == one.row.id)
    if one.left is None:
        waited = tx.execute(delete(event).where(*here, event.c.published_at.is_(None))).rowcount
        tx.counts[UNPUBLISHED] -= waited
        return waited + tx.execute(delete(event).where(*here)).rowcount
    values = _columns(one.row, one.left, who, alone=alone)
    is_same = all(one.row._mapping[name] == value for name, value in values.items())  # noqa: SLF001 - SQLAlchemy's public name
    return 0 if is_same else tx.execute(update(event).where(*here).values(values)).rowcount


def _columns(row: Row[Any], left: Redacted, who: Spellings, *, alone: set[str]) -> dict[str, Any]:
    """What changes in an event's row."""
    body = left.body
    if row.subject in alone and body.get("metadata") is not None:
        body = {**body, "metadata": None}
    subject = row.subject if row.subject == body.get("message_id") else who.replaced(row.subject)
    reply = None if _is_answered_at(row, who) else row.reply
    values = {"body": as_json(body), "subject": subject, "reply": reply}
    was: Any = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
    return {**values, "sum": event_sum({**was, **values})}


def _wipe(tx: Transaction, ids: Sequence[str]) -> int:
    return (
        tx.execute(update(message).where(message_is_told, one_of(message.c.id, ids)).values(FORGOTTEN)).rowcount
        if ids
        else 0
    )


_NOBODY, _NOTHING_SAID = as_json(STANDS_FOR)[:-1], as_json({"metadata": None})[1:-1]
