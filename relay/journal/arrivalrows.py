"""The rows of `arrival`: messages of which something is still to be fetched."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert

from relay.domain.mailbox import Mail
from relay.journal.mailcodec import mail_row
from relay.journal.mailschema import arrival
from relay.journal.seen import first_seen
from relay.journal.transaction import Transaction


def add_arrival(tx: Transaction, line: str, ref: str, mail: Mail) -> None:
    """Have the rest of `mail` fetched. It is new."""
    _add(tx, line, [{"ref": ref, **mail_row(mail)}])


def add_arrivals(tx: Transaction, line: str, refs: Iterable[str]) -> int:
    """Have the messages of a mailbox fetched that were not heard of before; gives how many those are."""
    fresh = [ref for ref in refs if first_seen(tx, line, "arrival", ref)]
    _add(tx, line, [{"ref": ref, "mail": None, "sum": None} for ref in fresh])
    return len(fresh)


def drop_arrival(tx: Transaction, arrival_id: str) -> bool:
    """Take an arrival from those that are waited for; False where it is there no more."""
    return tx.execute(_DROP, {"this": arrival_id}).rowcount == 1


def _add(tx: Transaction, line: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        common = {"line": line, "since": tx.now, "due_at": tx.now, "attempts": 0}
        tx.execute(insert(arrival), [{"id": tx.ids.new(), **common, **row} for row in rows])
        tx.bells.add(f"arrivals:{line}")


_DROP = delete(arrival).where(arrival.c.id == bindparam("this"))
