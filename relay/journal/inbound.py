"""provider's messages -> message rows and announcements: each once, and what may be a repetition is marked.

A message of which something is still to be fetched is kept as an arrival first, a piece of a longer one until the
others are there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress

from relay.domain.messages import InboundMessage
from relay.journal.arrivalrows import add_arrival
from relay.journal.keywords import heed_early
from relay.journal.seen import Came, are_first_seen, suspects
from relay.journal.segments import is_piece, take_piece
from relay.journal.shown import Shown
from relay.journal.telling import tell_heard
from relay.journal.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Taken:
    """How many messages were new and are announced or kept as pieces, and how many are still to be fetched."""

    messages: int
    arriving: int


def take_messages(tx: Transaction, line: str, came: Sequence[Came]) -> list[Taken]:
    """Store and announce the messages that were not seen before, as if they had come one after the other.

    A message that the provider gives nothing to recognise by is always announced; where other bytes of the last ten
    minutes had the same sender and text, it is marked `duplicate_suspect`.

    Returns:
        what came of each.
    """
    fresh = list(_fresh(tx, line, came))
    if not any(_arrives(one) for each in fresh for one in each.messages):
        take_whole(tx, line, fresh)
        return [Taken(len(each.messages), 0) for each in fresh]
    return [_take_each(tx, line, each) for each in fresh]


def _take_each(tx: Transaction, line: str, each: Came) -> Taken:
    """Take what came together where something of it is still to be fetched."""
    arriving = [one for one in each.messages if _arrives(one)]
    for one in arriving:
        add_arrival(tx, line, str(one.ref), one)
        heed_early(tx, line, one, each.received_at)
    here = [one for one in each.messages if not _arrives(one)]
    take_whole(tx, line, [replace(each, messages=here)])
    return Taken(len(here), len(arriving))


def take_whole(tx: Transaction, line: str, came: Sequence[Came]) -> None:
    """Announce messages that are new and of which nothing more is to be fetched; keep those that are pieces."""
    entire = [_without_pieces(each) for each in came]
    shown = Shown(tx, line)
    for each, its, marks in zip(came, entire, suspects(tx, line, entire), strict=True):
        if its is not each:
            for one in filter(is_piece, each.messages):
                take_piece(tx, line, one)
        for one, suspect in zip(its.messages, marks, strict=True):
            tell_heard(shown, one, each.received_at, suspect=suspect)
    shown.write()


def _without_pieces(each: Came) -> Came:
    """The same object where none of its messages is a piece, as of nearly all."""
    if not any(map(is_piece, each.messages)):
        return each
    return replace(each, messages=[one for one in each.messages if not is_piece(one)])


def _fresh(tx: Transaction, line: str, came: Sequence[Came]) -> Iterator[Came]:
    """The messages among these that were not seen before."""
    are_new = are_first_seen(tx, line, [_key_of(one) for each in came for one in each.messages])
    if all(are_new):
        yield from came
        return
    new = iter(are_new)
    for each in came:
        yield replace(each, messages=list(compress(each.messages, new)))


def _key_of(one: InboundMessage) -> tuple[str, str] | None:
    if one.dedupe_key is not None:
        return "message", one.dedupe_key
    return None if one.ref is None else ("arrival", one.ref)


def _arrives(one: InboundMessage) -> bool:
    """Whether something of it is still to be fetched."""
    return not one.is_whole and one.ref is not None
