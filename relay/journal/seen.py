"""What was seen before: keys by which a provider's repetitions are recognised, for as long as it repeats."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b

from sqlalchemy import bindparam, delete, insert, select, update

from relay.domain.messages import InboundMessage
from relay.journal.columns import as_json
from relay.journal.schema import seen
from relay.journal.transaction import Transaction

SUSPECT_FOR = timedelta(minutes=10)


def first_seen(tx: Transaction, line: str, kind: str, key: str) -> bool:
    """Whether this key is new; it is known from now on."""
    hashed = hash_of(kind, key)
    if tx.execute(_SEEN, {"here": line, "hashed": hashed}).first():
        return False
    tx.execute(_SEE, {"line": line, "key": hashed, "at": tx.now})
    return True


def forget_seen(tx: Transaction, line: str, kind: str, key: str) -> None:
    """Let this key be new again: nothing came of it."""
    tx.execute(_FORGET, {"here": line, "hashed": hash_of(kind, key)})


def suspects(
    tx: Transaction, line: str, raw_id: str, received_at: datetime, messages: Sequence[InboundMessage]
) -> list[bool]:
    """For each message whether it looks like one of other bytes. Those of the same bytes are not compared."""
    found = []
    hashes = [
        None if one.dedupe_key or one.ref else hash_of("text", one.sender.value, one.text or "") for one in messages
    ]
    for hashed in hashes:
        row = tx.execute(_SEEN, {"here": line, "hashed": hashed}).first() if hashed else None
        found.append(row is not None and abs(received_at - row.at) <= SUSPECT_FOR)
    for hashed in {hashed for hashed in hashes if hashed}:
        here = (seen.c.line == line, seen.c.key == hashed)
        if not tx.execute(update(seen).where(*here).values(at=received_at, raw_id=raw_id)).rowcount:
            tx.execute(insert(seen), [{"line": line, "key": hashed, "at": received_at, "raw_id": raw_id}])
    return found


def hash_of(*parts: str) -> bytes:
    """A narrow key for whatever is to be recognised."""
    return blake2b(as_json(parts), digest_size=16).digest()


_SEEN = select(seen.c.at).where(seen.c.line == bindparam("here"), seen.c.key == bindparam("hashed"))
_SEE = insert(seen)
_FORGET = delete(seen).where(seen.c.line == bindparam("here"), seen.c.key == bindparam("hashed"))
