"""The rows of `raw`: what was kept, and that it is unread no more."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from relay.domain.messages import RawAnswer
from relay.journal.columns import Words
from relay.journal.listing import listed, unpacked
from relay.journal.schema import aside, aside_is_open, raw, raw_is_kept
from relay.journal.transaction import Transaction


@dataclass(frozen=True, slots=True)
class KeptRaw:
    """Bytes that are on disk. `about` is the call that a status is about; of a web hook, the life that took it."""

    id: str
    line: str
    source: str
    event: str
    about: str
    raw: RawAnswer
    received_at: datetime


def kept_raw(row: Any) -> KeptRaw:
    """A row of `raw`."""
    answer = RawAnswer(row.body, row.content_type)
    return KeptRaw(row.id, row.line, row.source, row.event, row.about, answer, row.received_at)


def leave(tx: Transaction, raw_id: str, state: str) -> bool:
    """Whether these bytes were still unread; they are `state` from now on."""
    return raw_id in leave_all(tx, [raw_id], state)


def leave_all(tx: Transaction, raw_ids: Collection[str], state: str) -> set[str]:
    """Those of these bytes that were still unread; they are `state` from now on."""
    return {row.id for row in tx.execute(_LEAVE, {"these": listed(raw_ids), "state": state})}


def settle_asides(tx: Transaction, *raw_ids: str) -> None:
    """Nothing about these bytes waits for a person any more."""
    tx.execute(_SETTLE, {"these": listed(raw_ids)})


_THESE = select(unpacked(bindparam("these", type_=Words)).c.value)
_LEAVE = update(raw).where(raw.c.id.in_(_THESE), raw_is_kept).values(state=bindparam("state")).returning(raw.c.id)
_SETTLE = update(aside).where(aside_is_open, aside.c.raw_id.in_(_THESE)).values(state="settled")
