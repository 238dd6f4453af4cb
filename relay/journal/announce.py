"""What happened -> a row of `event`, in the transaction in which it happened; and such a row -> Announcement."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from pydantic_core import from_json
from sqlalchemy import bindparam, insert, update

from relay.domain.announcements import Announcement
from relay.domain.messages import Reply
from relay.journal.codec import reply_in, reply_out
from relay.journal.columns import Whole, as_json, plain
from relay.journal.notices import Untold, is_told, take_untold
from relay.journal.schema import aside, message
from relay.journal.sums import event_sum, sum_of_event
from relay.journal.transaction import Transaction

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class News:
    """Something to announce; the fields are those of Announcement."""

    kind: str
    line: str | None
    subject: str
    body: Mapping[str, Any] = field(repr=False)
    client: str | None = None
    sequence: int = 1
    occurred_at: datetime | None = None
    reply: Reply = field(default_factory=Reply)


def announce(tx: Transaction, news: News) -> None:
    """Put `news` on its way to the bus: it is published if, and only if, this transaction is committed."""
    reply = reply_out(news.reply)
    row = {
        "id": tx.ids.new(),
        "kind": news.kind,
        "line": news.line,
        "client": plain(news.client),
        "subject": plain(news.subject),
        "sequence": news.sequence,
        "occurred_at": news.occurred_at or tx.now,
        "recorded_at": tx.now,
        "body": as_json(news.body),
        "reply": None if reply is None else as_json(reply),
    }
    row["sum"] = event_sum(row)
    tx.add_event(row)


def next_sequence(tx: Transaction, message_id: str, count: int = 1) -> int:
    """The first of the next `count` sequence numbers of a message; 1 for a message that is no more."""
    last = tx.gathered.take_sequence(message_id, count)
    if last is None:
        last = tx.beside(_TAKE_SEQUENCE, {"this": message_id, "count": count}).scalar()
    return 1 if last is None else int(last) - count + 1


_TAKE_SEQUENCE = (
    update(message)
    .where(message.c.id == bindparam("this"))
    .values(sequence=message.c.sequence + bindparam("count", type_=Whole))
    .returning(message.c.sequence)
)


def announcement(row: Any) -> Announcement | None:
    """A row of `event` as it was announced; None if it is damaged."""
    (
        _, id_, kind, line, client, subject, sequence, occurred_at, recorded_at, body, reply, _, total,
    ) = row  # fmt: skip
    if sum_of_event(id_, kind, line, client, subject, sequence, body, reply) != total:
        return None
    answered_at = reply_in(json.loads(reply)) if reply else _AT_ITS_OWN_TOPIC
    told = _body(body)
    return Announcement(
        id_, kind, line, client, subject, sequence, occurred_at, recorded_at, told, answered_at, len(body)
    )


_AT_ITS_OWN_TOPIC = Reply()


def _body(kept: bytes) -> Any:
    try:
        return from_json(kept)
    except ValueError:  # half a surrogate pair, which it does not take
        return json.loads(kept)


@dataclass(frozen=True, slots=True)
class SetAside:
    """Something that a person is to look at: what it is, why, and which row it is."""

    kind: str
    line: str | None
    what: str
    why: str
    raw_id: str | None = None
    event_id: str | None = None
    copy_id: str | None = None
    parked_id: str | None = None


def set_aside(tx: Transaction, *things: SetAside, about: str | None = None, **more: Any) -> bool:
    """List `things` for a person, and tell the first of them on `relay/dead`: one notice, without any content.

    Of a flood, each is listed, and what is more than a few a minute is told together: see `relay.journal.notices`.

    Args:
        tx: the transaction.
        things: what is alike, such as the copies of one call.
        about: the id that people know it by; None: the list's own.
        more: what else the notice says.

    Returns:
        Whether they have this notice; else they are part of a flood.
    """
    first, aside_id = things[0], set_aside_untold(tx, *things)
    about = about or aside_id
    untold = Untold(first.kind, first.what, first.why, about, aside_id, len(things))
    told, due = is_told(tx, first.line, untold)
    _tell_together(tx, ((first.line, one) for one in due))
    if told:
        how = _HOW[first.kind].format(aside_id, about)
        announce(tx, News("dead", first.line, about, {**_notice(first.line, untold), "how": how, **more}))
    return told


def tell_untold(tx: Transaction) -> int:
    """Tell what a flood left untold, if its minute is over: what is alike in one notice; gives how many there are."""
    due = take_untold(tx)
    _tell_together(tx, due)
    return len(due)


def _tell_together(tx: Transaction, due: Iterable[tuple[str | None, Untold]]) -> None:
    for line, one in due:
        how = f"relay dead list --kind {one.kind}{f' --line {line}' if line else ''}"
        announce(tx, News("dead", line, one.about, {**_notice(line, one), "how": how}))
        log.warning("aside.flood", line=line, kind=one.kind, what=one.what, things=one.things)


def _notice(line: str | None, one: Untold) -> dict[str, Any]:
    """`more`: how many others it stands for, which are listed and have no notice of their own."""
    about = {"what": one.what, "why": one.why, "line": line, "id": one.about, "aside_id": one.aside_id}
    return {"kind": one.kind, **about, "more": one.things - 1}


def set_aside_untold(tx: Transaction, *things: SetAside) -> str:
    """List `things` for a person, without a notice; gives the id of the first."""
    rows = [
        {
            "id": tx.ids.new(),
            "kind": thing.kind,
            "line": thing.line,
            "what": thing.what,
            "why": thing.why,
            "raw_id": thing.raw_id,
            "event_id": thing.event_id,
            "copy_id": thing.copy_id,
            "parked_id": thing.parked_id,
            "at": tx.now,
            "state": "open",
        }
        for thing in things
    ]
    tx.execute(insert(aside), rows)
    return str(rows[0]["id"])


_HOW = {
    "raw": "relay dead show {0}; relay dead replay {0} reads it again",
    "event": "relay dead show {0}; relay dead replay {0} publishes it again",
    "uncertain": "relay queue list --uncertain; relay queue resolve {1} --sent or --not-sent says what you found out,"
    " relay dead replay {0} sends again, relay dead discard {0} gives up",
    "orphan": "relay dead show {0}; relay dead replay {0} looks for its text again, relay dead discard {0} drops it",
    "damaged": "relay dead show {0}; relay dead discard {0} takes it from the list",
}
