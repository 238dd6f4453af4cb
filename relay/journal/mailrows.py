"""The rows of `mail`: which message is meant by a provider's id, and what happened to it there."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from relay.domain.messages import MailChange
from relay.journal.announce import News, announce, next_sequence
from relay.journal.columns import Words, printable
from relay.journal.copies import copy_of
from relay.journal.listing import listed, one_of, unpacked
from relay.journal.mailschema import arrival, mail, mail_has_message
from relay.journal.schema import copy, copy_is_unseen, message, seen
from relay.journal.seen import first_seen
from relay.journal.transaction import Transaction


def remember(tx: Transaction, line: str, names: Mapping[str, str]) -> None:
    """Know the provider's messages by relay's own ids from now on; `names`: the own id by the provider's."""
    own = {printable(ref): message_id for ref, message_id in names.items()}
    known = {row.ref for row in tx.execute(_KNOWN, {"here": line, "refs": listed(own)})}
    again = [{"here": line, "by": ref, "own": own[ref]} for ref in own if ref in known]
    fresh = [{"line": line, "ref": ref, "listed": 0, "message_id": own[ref]} for ref in own if ref not in known]
    if again:
        tx.execute(_NAME, again)
    if fresh:
        tx.execute(_ADD, fresh)


def message_of(tx: Transaction, line: str, ref: str) -> str | None:
    """Relay's own id of the provider's message `ref`; None where it has none."""
    known: str | None = tx.execute(_NAMED, {"here": line, "by": ref}).scalar()
    if known is not None:
        return known
    own = copy_of(tx, line, ref)
    return None if own is None else own.message_id


def tell_changes(tx: Transaction, line: str, changes: Sequence[MailChange]) -> int:
    """Announce what happened to messages at the provider, each once; gives how many were announced."""
    fresh = [
        one for one in changes if one.dedupe_key is None or first_seen(tx, line, f"change {one.name}", one.dedupe_key)
    ]
    for one in fresh:
        known = message_of(tx, line, one.ref)
        body = {"message_id": known, "provider": {"message_id": one.ref}, **one.facts}
        sequence = next_sequence(tx, known) if known else 1
        announce(tx, News(f"event.{one.name}", line, known or line, body, sequence=sequence))
    return len(fresh)


def is_listed(tx: Transaction, line: str, ref: str) -> bool:
    """Whether the mailbox shows the provider's message `ref`, as far as is known."""
    return bool(tx.execute(_LISTED, {"here": line, "by": ref}).scalar())


def forget_mailbox(tx: Transaction, line: str) -> int:
    """Forget everything about a line's mailbox; gives how many messages of it were still to be fetched."""
    for table in (mail, seen):
        tx.execute(delete(table).where(table.c.line == line))
    tx.execute(update(copy).where(copy_is_unseen, copy.c.line == line).values(unseen=0))
    return tx.execute(delete(arrival).where(arrival.c.line == line, arrival.c.mail.is_(None))).rowcount


def unlist(tx: Transaction, line: str, refs: Iterable[str]) -> None:
    """The mailbox shows these no more. What relay has published is known until it is forgotten as a whole."""
    here = (mail.c.line == line, one_of(mail.c.ref, refs))
    known = mail_has_message & select(message.c.id).where(message.c.id == mail.c.message_id).exists()
    tx.execute(delete(mail).where(*here, ~known))
    tx.execute(update(mail).where(*here).values(listed=0))


_HERE: Any = (mail.c.line == bindparam("here"), mail.c.ref == bindparam("by"))
_LISTED = select(mail.c.listed).where(*_HERE)
_NAMED = select(mail.c.message_id).where(*_HERE)
_NAME = update(mail).where(*_HERE).values(message_id=bindparam("own"))
_KNOWN = select(mail.c.ref).where(
    mail.c.line == bindparam("here"), mail.c.ref.in_(select(unpacked(bindparam("refs", type_=Words)).c.value))
)
_ADD = insert(mail)
