"""Pieces of a longer message -> that message, once all are there, or an hour after the first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from relay.domain.mailbox import Mail
from relay.domain.messages import InboundMessage, Sighting
from relay.journal.announce import SetAside, set_aside
from relay.journal.mailcodec import mail_of, mail_row
from relay.journal.mailschema import segment
from relay.journal.seen import first_seen, hash_of
from relay.journal.sightings import take_whole_sighting
from relay.journal.telling import tell_message
from relay.journal.transaction import Transaction

WAIT = timedelta(hours=1)  # for pieces that are missing
MOST_PIECES = 255  # a text message's header has one byte for the number


@dataclass(frozen=True, slots=True)
class _Piece:
    place: int
    message: Mail


def is_piece(one: Mail) -> bool:
    """Whether `one` has a place in a longer message that makes sense."""
    place = one.segment
    return place is not None and 1 < place.total <= MOST_PIECES and 1 <= place.place <= place.total


def take_piece(tx: Transaction, line: str, one: Mail) -> None:
    """Keep a piece, and announce the longer message, or judge whose it is, if it is whole now.

    A place that is taken belongs to an earlier message whose group's number came around again: that one is
    announced as far as it is there.

    Raises:
        ValueError: it is no piece.
    """
    place = one.segment
    if place is None:
        raise ValueError("a message without a place in another is no piece")
    whole = hash_of("segments", *_between(one), place.group, str(place.total))
    about = {"here": line, "named": whole}
    if tx.execute(_AT_PLACE, {**about, "at_place": place.place}).first():
        _join(tx, line, whole)
    row = {"line": line, "whole": whole, "place": place.place, "at": tx.now, **mail_row(one)}
    tx.execute(insert(segment), [row])
    if len(tx.execute(_PLACES, about).all()) == place.total:
        _join(tx, line, whole)


def take_pieces(tx: Transaction, line: str, sightings: Sequence[Sighting]) -> None:
    """Take those of `sightings` that are new pieces of longer messages."""
    for one in sightings:
        if is_piece(one) and first_seen(tx, line, "sighting", one.ref):
            take_piece(tx, line, one)


def join_overdue(tx: Transaction, limit: int) -> int:
    """Announce what is there of messages whose first piece came an hour ago; gives how many those are."""
    overdue = tx.execute(_OVERDUE, {"before": tx.now - WAIT, "most": limit}).all()
    wholes = dict.fromkeys((row.line, row.whole) for row in overdue)
    for line, whole in wholes:
        _join(tx, line, whole)
    return len(wholes)


def _join(tx: Transaction, line: str, whole: bytes) -> None:
    rows = tx.execute(_PIECES, {"here": line, "named": whole}).all()
    tx.execute(_DROP, {"here": line, "named": whole})
    there = [one for row in rows if (one := mail_of(row)) is not None]
    # Its own place has a checksum, and that of its row has none.
    pieces = sorted((_Piece(one.segment.place if one.segment else 0, one) for one in there), key=lambda one: one.place)
    if len(pieces) < len(rows):
        thing = SetAside("damaged", line, "message", "the journal's row is damaged: a piece of a message is lost")
        set_aside(tx, thing)
    if pieces:
        joined = _joined(pieces)
        if isinstance(joined, InboundMessage):
            refs = [piece.message.ref for piece in pieces]
            tell_message(tx, line, joined, _first_at(rows), refs=refs)
        else:
            take_whole_sighting(tx, line, joined)


def _between(one: Mail) -> list[str]:
    """Who wrote to the line, or whom it wrote to."""
    return [one.sender.value] if isinstance(one, InboundMessage) else ["to", *(each.value for each in one.to)]


def _joined(pieces: Sequence[_Piece]) -> Mail:
    """The pieces as one message, in their order."""
    first = pieces[0].message
    total = first.segment.total if first.segment else len(pieces)
    missing = sorted(set(range(1, total + 1)) - {piece.place for piece in pieces})
    return replace(
        first,
        text="".join(piece.message.text or "" for piece in pieces),
        parts=tuple(part for piece in pieces for part in piece.message.parts),
        provider={**first.provider, **({"segments_missing": missing} if missing else {})},
        segment=None,
    )


def _first_at(rows: Sequence[Any]) -> datetime:
    first: datetime = min(row.at for row in rows)
    return first


_THIS: Any = (segment.c.line == bindparam("here"), segment.c.whole == bindparam("named"))
_AT_PLACE = select(segment.c.place).where(*_THIS, segment.c.place == bindparam("at_place"))
_PLACES = select(segment.c.place).where(*_THIS)
_PIECES = select(segment).where(*_THIS).order_by(segment.c.place)
_DROP = delete(segment).where(*_THIS)
_OVERDUE = (
    select(segment.c.line, segment.c.whole)
    .where(segment.c.at <= bindparam("before"))
    .order_by(segment.c.at)
    .limit(bindparam("most"))
)
