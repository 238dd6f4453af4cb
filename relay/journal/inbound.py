"""provider's messages -> message rows and announcements: each once, and what may be a repetition is marked."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from relay.domain.keywords import keyword
from relay.domain.messages import InboundMessage
from relay.journal.announce import News, announce
from relay.journal.codec import timestamp
from relay.journal.columns import as_json
from relay.journal.outgoing import store_inbound
from relay.journal.schema import seen
from relay.journal.transaction import Transaction

SUSPECT_FOR = timedelta(minutes=10)


def take_messages(
    tx: Transaction, line: str, raw_id: str, received_at: datetime, messages: Sequence[InboundMessage]
) -> int:
    """Store and announce the messages that were not seen before; gives how many those are.

    A message that the provider gives nothing to recognise by is always announced; where other bytes of the last ten
    minutes had the same sender and text, it is marked `duplicate_suspect`.
    """
    suspects = _suspects(tx, line, raw_id, received_at, messages)
    fresh = [
        (one, suspect)
        for one, suspect in zip(messages, suspects, strict=True)
        if one.dedupe_key is None or first_seen(tx, line, "message", one.dedupe_key)
    ]
    for one, suspect in fresh:
        message_id = store_inbound(tx, line, one.text, one.subject)
        body = _body(message_id, one, suspect=suspect)
        announce(tx, News("message", line, message_id, body, occurred_at=one.provider_time or received_at))
    return len(fresh)


def first_seen(tx: Transaction, line: str, kind: str, key: str) -> bool:
    """Whether this key is new; it is known from now on."""
    hashed = _hash(kind, key)
    if tx.execute(_SEEN, {"here": line, "hashed": hashed}).first():
        return False
    tx.execute(_SEE, {"line": line, "key": hashed, "at": tx.now})
    return True


def _suspects(
    tx: Transaction, line: str, raw_id: str, received_at: datetime, messages: Sequence[InboundMessage]
) -> list[bool]:
    """For each message whether it looks like one of other bytes. Those of the same bytes are not compared."""
    suspects = []
    hashes = [None if one.dedupe_key else _hash("text", one.sender.value, one.text or "") for one in messages]
    for hashed in hashes:
        row = tx.execute(_SEEN, {"here": line, "hashed": hashed}).first() if hashed else None
        suspects.append(row is not None and abs(received_at - row.at) <= SUSPECT_FOR)
    for hashed in {hashed for hashed in hashes if hashed}:
        here = (seen.c.line == line, seen.c.key == hashed)
        if not tx.execute(update(seen).where(*here).values(at=received_at, raw_id=raw_id)).rowcount:
            tx.execute(insert(seen), [{"line": line, "key": hashed, "at": received_at, "raw_id": raw_id}])
    return suspects


_SEEN = select(seen.c.at).where(seen.c.line == bindparam("here"), seen.c.key == bindparam("hashed"))
_SEE = insert(seen)


def _hash(*parts: str) -> bytes:
    return blake2b(as_json(parts), digest_size=16).digest()


def _body(message_id: str, one: InboundMessage, *, suspect: bool) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "from": one.sender.value,
        "to": one.recipient,
        "address_kind": one.sender.kind.value,
        "text": one.text,
        "subject": one.subject,
        "media": [],
        "provider_time": timestamp(one.provider_time),
        "keyword": keyword(one.text or ""),
        "duplicate_suspect": suspect,
        "provider": dict(one.provider),
    }
