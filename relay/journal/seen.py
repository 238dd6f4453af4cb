"""What was seen before: keys by which a provider's repetitions are recognised, for as long as it repeats."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from json.encoder import encode_basestring_ascii
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from relay.domain.messages import InboundMessage
from relay.journal.columns import Moment, Words
from relay.journal.schema import seen
from relay.journal.transaction import Transaction

SUSPECT_FOR = timedelta(minutes=10)


def first_seen(tx: Transaction, line: str, kind: str, key: str) -> bool:
    """Whether this key is new; it is known from now on."""
    return are_first_seen(tx, line, [(kind, key)])[0]


def are_first_seen(tx: Transaction, line: str, keys: Sequence[tuple[str, str] | None]) -> list[bool]:
    """Whether each of these (a kind and a key) is new, in this order; None always is. They are known from now on."""
    hashes = [None if key is None else hash_of(*key) for key in keys]
    known = set(_known(tx, line, [hashed for hashed in hashes if hashed is not None]))
    found: list[bool] = []
    rows = []
    for hashed in hashes:
        found.append(hashed not in known)
        if hashed is not None and found[-1]:
            known.add(hashed)
            rows.append({"line": line, "key": hashed, "at": tx.now})
    if rows:
        tx.execute(_SEE, rows)
    return found


def forget_seen(tx: Transaction, line: str, kind: str, key: str) -> None:
    """Let this key be new again: nothing came of it."""
    tx.execute(_FORGET, {"here": line, "hashed": hash_of(kind, key)})


@dataclass(frozen=True, slots=True)
class Came:
    """Messages that came together, in the same bytes: their id, and when they were received."""

    raw_id: str
    received_at: datetime
    messages: Sequence[InboundMessage]


def suspects(tx: Transaction, line: str, came: Sequence[Came]) -> list[list[bool]]:
    """For each message whether it looks like one of other bytes. Those of the same bytes are not compared."""
    hashes = [[_hash_of_text(one) for one in each.messages] for each in came]
    known = _known(tx, line, [hashed for here in hashes for hashed in here if hashed is not None])
    old, last, found = set(known), {}, []
    for each, here in zip(came, hashes, strict=True):
        found.append([hashed in known and abs(each.received_at - known[hashed]) <= SUSPECT_FOR for hashed in here])
        for hashed in here:
            if hashed is not None:
                known[hashed], last[hashed] = each.received_at, each
    _see_texts(tx, line, last, old)
    return found


def _hash_of_text(one: InboundMessage) -> bytes | None:
    """What is equal for equal texts; None where the provider gives something better to recognise it by."""
    return None if one.dedupe_key or one.ref else hash_of("text", one.sender.value, one.text or "")


def _see_texts(tx: Transaction, line: str, last: Mapping[bytes, Came], old: Collection[bytes]) -> None:
    rows = [
        {"line": line, "key": hashed, "at": each.received_at, "raw_id": each.raw_id} for hashed, each in last.items()
    ]
    again = [row for row in rows if row["key"] in old]
    fresh = [row for row in rows if row["key"] not in old]
    if again:
        tx.execute(_SEE_AGAIN, [_renamed(row) for row in again])
    if fresh:
        tx.execute(_SEE_TEXT, fresh)


def _known(tx: Transaction, line: str, hashes: Sequence[bytes]) -> dict[bytes, datetime]:
    """Those of these that were seen, and when."""
    found: dict[bytes, datetime] = {}
    for start in range(0, len(hashes), _AT_ONCE):
        some = hashes[start : start + _AT_ONCE]
        size = next(size for size in _SIZES if size >= len(some))
        # One statement for a few lengths: what is too much of it is asked for twice.
        padded = [*some, *[some[-1]] * (size - len(some))]
        rows = tx.execute(_SEEN[size], {"here": line, **dict(zip(_NAMES, padded, strict=False))})
        found.update((bytes(row.key), row.at) for row in rows)
    return found


def hash_of(*parts: str) -> bytes:
    """A narrow key for whatever is to be recognised."""
    # The same bytes as those of `as_json`, sooner: it is asked for every message.
    told = ",".join(map(encode_basestring_ascii, parts))
    return blake2b(f"[{told}]".encode("ascii"), digest_size=16).digest()


def _renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's values under the names that a change has them: a column's own name is the value's in an UPDATE."""
    return {"here": row["line"], "hashed": row["key"], "then": row["at"], "by": row["raw_id"]}


_SIZES = (1, 8, 64)
_AT_ONCE = _SIZES[-1]
_NAMES = [f"key_{place}" for place in range(_AT_ONCE)]
_SEEN = {
    size: select(seen.c.key, seen.c.at).where(
        seen.c.line == bindparam("here"), seen.c.key.in_([bindparam(name) for name in _NAMES[:size]])
    )
    for size in _SIZES
}
_THIS: Any = (seen.c.line == bindparam("here"), seen.c.key == bindparam("hashed"))
_SEE = insert(seen)
_SEE_TEXT = insert(seen)
_SEE_AGAIN = update(seen).where(*_THIS).values(at=bindparam("then", type_=Moment), raw_id=bindparam("by", type_=Words))
_FORGET = delete(seen).where(*_THIS)
