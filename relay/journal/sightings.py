"""provider's sightings -> copies: whether a message that went out is relay's own, and what it proves of its copies.

Relay's own is known by the provider's id, or else by recipient and text among the copies that the provider may have
and has not shown. While a copy that might be meant is being sent, a sighting waits; what is nobody's after its grace
was sent from another device.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Row, bindparam, delete, insert, select, true, update

from relay.domain.messages import Part, Sighting
from relay.domain.receipts import ProviderWord
from relay.domain.states import State
from relay.journal.announce import SetAside, set_aside
from relay.journal.arrivalrows import add_arrival
from relay.journal.callrows import close_if_sent, ids_in, settle
from relay.journal.copies import Happening, copies_of, copies_where, copy_of, happen
from relay.journal.copyrows import Copy
from relay.journal.listing import one_of
from relay.journal.mailcodec import mail_of, mail_row
from relay.journal.mailrows import remember
from relay.journal.mailschema import sighting
from relay.journal.media import expire_media
from relay.journal.outgoing import is_plain_text, said_in
from relay.journal.reports import unpark
from relay.journal.schema import call, call_has_ref, call_is_in_flight, copy, copy_is_unseen
from relay.journal.seen import first_seen
from relay.journal.telling import tell_elsewhere
from relay.journal.transaction import Transaction

log = structlog.get_logger()

GRACE = timedelta(minutes=2)  # until a message that is nobody's was sent from another device
AGAIN_AFTER = timedelta(seconds=30)  # while a copy that might be meant is being sent
MOST_CANDIDATES = 200  # copies to one number whose text is compared
MOST_WAITING = 100  # sightings of a line that are compared anew with what a call left uncertain


def take_sightings(tx: Transaction, line: str, sightings: Sequence[Sighting]) -> int:
    """Judge what was not seen before; gives how many were relay's own.

    What may be another device's and is not whole becomes an arrival, and is judged again when it is.
    """
    fresh = [one for one in sightings if first_seen(tx, line, "sighting", one.ref)]
    return sum(_take(tx, line, one) for one in fresh)


def take_whole_sighting(tx: Transaction, line: str, one: Sighting) -> None:
    """Judge a sighting that is new and of which nothing more is to be fetched."""
    if not _own(tx, line, one):
        _wait(tx, line, one)


def settle_sightings(tx: Transaction, limit: int) -> int:
    """Judge again the sightings whose time has come; gives how many were looked at."""
    rows = tx.execute(_DUE, {"now": tx.now, "most": limit}).all()
    for row in rows:
        _again(tx, row)
    return len(rows)


def match_answered(tx: Transaction, line: str, refs: Iterable[str]) -> None:
    """An answer has named `refs`: judge what is seen of them, then what waited to see whether it is of them."""
    match_waiting(tx, line, one_of(sighting.c.ref, sorted(set(refs))))
    match_waiting(tx, line, sighting.c.due_at <= tx.now + AGAIN_AFTER)


def match_waiting(tx: Transaction, line: str, among: ColumnElement[bool] | None = None) -> None:
    """Judge waiting sightings of a line now, `among` which; else all that may show what a call left uncertain."""
    here = sighting.c.line == line
    which = here if among is None else here & among
    rows = tx.execute(select(sighting).where(which).order_by(sighting.c.ref, sighting.c.id).limit(MOST_WAITING)).all()
    for row in rows:
        one = mail_of(row)
        if isinstance(one, Sighting) and _own(tx, line, one):
            tx.execute(_DROP, {"this": row.id})


def _take(tx: Transaction, line: str, one: Sighting) -> bool:
    if _own(tx, line, one):
        return True
    if one.is_whole:
        _wait(tx, line, one)
    else:
        add_arrival(tx, line, one.ref, one)
    return False


def _wait(tx: Transaction, line: str, one: Sighting) -> None:
    """Keep it until somebody is known to have sent it."""
    due_at = tx.now + (AGAIN_AFTER if _may_be_under_way(tx, line, one) else GRACE)
    row = {"id": tx.ids.new(), "line": line, "ref": one.ref, "since": tx.now, "due_at": due_at, **mail_row(one)}
    tx.execute(insert(sighting), [row])


def _again(tx: Transaction, row: Row[Any]) -> None:
    one = mail_of(row)
    if isinstance(one, Sighting):
        if not _own(tx, row.line, one):
            if _may_be_under_way(tx, row.line, one):
                tx.execute(_LATER, {"this": row.id, "due_at": tx.now + AGAIN_AFTER})
                return
            if tx.now < row.since + GRACE:
                tx.execute(_LATER, {"this": row.id, "due_at": row.since + GRACE})
                return
            tell_elsewhere(tx, row.line, one, row.since)
    else:
        thing = SetAside("damaged", row.line, "sighting", "the journal's row is damaged: a message sent is lost")
        set_aside(tx, thing)
    tx.execute(_DROP, {"this": row.id})


@dataclass(frozen=True, slots=True)
class _Said:
    """What a sighting says, to be compared: its text, and those of its parts that are texts."""

    text: str | None
    words: tuple[str, ...]
    subject: str | None
    is_known: bool

    @classmethod
    def by(cls, one: Sighting) -> "_Said":
        """The text of an MMS may be one of its parts."""
        return cls(one.text, tuple(_words(one.parts)), one.subject, one.text is not None or one.is_whole)

    def says(self, tx: Transaction, message_id: str) -> bool:
        """Whether the message says the same."""
        said = said_in(tx, message_id)
        if said is None or (self.subject and self.subject != said.subject):
            return False
        return self._has_texts(said.texts) or (self.text or "" if not self.words else self.text) == said.text

    def _has_texts(self, texts: Sequence[str]) -> bool:
        """Of several texts the first is the message's own, and the others may come back in another form."""
        if not self.words or not texts:
            return False
        return self.words == tuple(texts) or (len(texts) > 1 and self.words[0] == texts[0])


def _own(tx: Transaction, line: str, one: Sighting) -> bool:
    """Whether relay sent it; then its copies are settled."""
    named = copies = _by_ref(tx, line, one)
    # While another call carries the same, it may be that one which is seen: its answer tells.
    if not copies and not _may_be_under_way(tx, line, one):
        copies = list(_by_content(tx, line, one))
    if not copies:
        return False
    # The id names one copy only where the sighting is one copy's.
    ref = one.ref if len(copies) == 1 and copies[0].remote_ref is None else None
    word = ProviderWord(one.ref)
    happen(tx, [Happening(each, one.fact, word, remote_ref=ref) for each in copies])
    # The id is written down also where the sighting tells nothing new of the copy: reports will speak of it by that.
    here = one_of(copy.c.id, [each.id for each in copies])
    # What was sent again after a call that nobody answered may be shown once more.
    counted = here & copy_is_unseen & (_counts_last if named else true())
    tx.execute(update(copy).where(counted).values(unseen=copy.c.unseen - 1))
    if ref:
        tx.execute(update(copy).where(here).values(remote_ref=ref))
    expire_media(tx, [part.token for part in one.parts if part.token is not None])
    if copies[0].remote_ref != one.ref:
        remember(tx, line, {one.ref: copies[0].message_id})
    unpark(tx, line, [one.ref])
    call_ids = {each.call_id for each in copies if each.call_id}
    close_if_sent(tx, sorted(call_ids))
    settle(tx, call_ids)
    log.info("sighting.own", line=line, message_id=copies[0].message_id, copies=len(copies))
    return True


def _by_ref(tx: Transaction, line: str, one: Sighting) -> list[Copy]:
    own = copy_of(tx, line, one.ref)
    if own is not None:
        return [own]
    row = tx.execute(_CALL_OF_REF, {"here": line, "ref": one.ref}).first()
    if row is None:
        return []
    copies = copies_of(tx, row.id)
    # Others of the call may have ended before it was made.
    carried = ids_in(row.recipients) or [each.id for each in copies]
    forgotten = {tx.name_of_forgotten(to.value) for to in one.to}
    meant = [each for each in copies if each.address in one.to or each.address.value in forgotten]
    return [each for each in meant if each.id in carried]


def _by_content(tx: Transaction, line: str, one: Sighting) -> Iterator[Copy]:
    """For each recipient the oldest copy that says the same and may be the one that is seen.

    What was taken for certain shows in any case: what is in doubt is proven by what shows besides.
    """
    said = _Said.by(one)
    if not said.is_known:
        return
    for address in dict.fromkeys(one.to):
        here = (copy_is_unseen, copy.c.line == line, copy.c.address == address.value)
        candidates = copies_where(tx, *here, limit=MOST_CANDIDATES)
        fitting = [each for each in candidates if said.says(tx, each.message_id)]
        yield from sorted(fitting, key=_is_in_doubt)[:1]


def _may_be_under_way(tx: Transaction, line: str, one: Sighting) -> bool:
    said = _Said.by(one)
    return any(
        not said.is_known or said.says(tx, row.message_id)
        for address in one.to
        for row in tx.execute(_IN_FLIGHT, {"here": line, "to": address.value, "sending": State.SENDING.key})
    )


def _is_in_doubt(one: Copy) -> bool:
    return one.state is State.UNCERTAIN or one.waits


def _words(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        if part.data is not None and is_plain_text(part.content_type):
            yield part.data.decode("utf-8", "replace")


_DUE = (
    select(sighting).where(sighting.c.due_at <= bindparam("now")).order_by(sighting.c.due_at).limit(bindparam("most"))
)
_DROP = delete(sighting).where(sighting.c.id == bindparam("this"))
_LATER = update(sighting).where(sighting.c.id == bindparam("this")).values(due_at=bindparam("due_at"))
# Whether the last call is among those by which a copy may be shown: an answer that names it need not be looked for.
_counts_last = (copy.c.attempt <= 1) | select(call.c.id).where(call.c.id == copy.c.call_id, call.c.unseen > 0).exists()
_CALL_OF_REF = select(call.c.id, call.c.recipients).where(
    call_has_ref, call.c.line == bindparam("here"), call.c.remote_ref == bindparam("ref")
)
_IN_FLIGHT = (
    select(copy.c.message_id)
    .join(call, call.c.id == copy.c.call_id)
    .where(
        call_is_in_flight,
        call.c.line == bindparam("here"),
        copy.c.address == bindparam("to"),
        copy.c.state == bindparam("sending"),
    )
)
