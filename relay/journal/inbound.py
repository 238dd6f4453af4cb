"""provider's messages -> message rows and announcements: each once, and what may be a repetition is marked.

A message of which something is still to be fetched is kept as an arrival first, a piece of a longer one until the
others are there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.domain.messages import InboundMessage
from relay.journal.arrivalrows import add_arrival
from relay.journal.keywords import heed_early
from relay.journal.seen import first_seen, suspects
from relay.journal.segments import is_piece, take_piece
from relay.journal.telling import tell_message
from relay.journal.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Taken:
    """How many messages were new and are announced or kept as pieces, and how many are still to be fetched."""

    messages: int
    arriving: int


def take_messages(
    tx: Transaction, line: str, raw_id: str, received_at: datetime, messages: Sequence[InboundMessage]
) -> Taken:
    """Store and announce the messages that were not seen before.

    A message that the provider gives nothing to recognise by is always announced; where other bytes of the last ten
    minutes had the same sender and text, it is marked `duplicate_suspect`.
    """
    fresh = [one for one in messages if _is_new(tx, line, one)]
    arriving = [one for one in fresh if not (one.is_whole or one.ref is None)]
    for one in arriving:
        add_arrival(tx, line, str(one.ref), one)
        heed_early(tx, line, one, received_at)
    here = [one for one in fresh if one.is_whole or one.ref is None]
    take_whole(tx, line, raw_id, received_at, here)
    return Taken(len(here), len(arriving))


def take_whole(
    tx: Transaction, line: str, raw_id: str, received_at: datetime, messages: Sequence[InboundMessage]
) -> None:
    """Announce messages that are new and of which nothing more is to be fetched; keep those that are pieces."""
    entire = [one for one in messages if not is_piece(one)]
    for one in messages:
        if is_piece(one):
            take_piece(tx, line, one)
    for one, suspect in zip(entire, suspects(tx, line, raw_id, received_at, entire), strict=True):
        tell_message(tx, line, one, received_at, suspect=suspect)


def _is_new(tx: Transaction, line: str, one: InboundMessage) -> bool:
    if one.dedupe_key is not None:
        return first_seen(tx, line, "message", one.dedupe_key)
    return one.ref is None or first_seen(tx, line, "arrival", one.ref)
