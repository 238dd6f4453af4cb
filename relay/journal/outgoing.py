"""An outbound message as its copies need it: what is said, and what every receipt of it repeats."""

import json
from base64 import b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Text, bindparam, select

from relay.domain.messages import MessageClass, OnUncertain, Reply, SendRequest
from relay.journal.announce import SetAside, set_aside
from relay.journal.codec import content_in, content_out, reply_in, reply_out
from relay.journal.columns import as_json
from relay.journal.listing import listed, unpacked
from relay.journal.schema import message
from relay.journal.sums import echo_sum, sum_of
from relay.journal.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Echo:
    """What the receipts of a message repeat of its request, and the wishes that rule them."""

    message_id: str
    line: str
    client: str | None
    request_id: str
    receipts: bool
    on_uncertain: OnUncertain
    message_class: MessageClass
    send_at: datetime | None
    metadata: Mapping[str, Any] | None = field(repr=False)
    reply: Reply
    is_whole: bool = True  # else its copies know better whose they are


@dataclass(frozen=True, slots=True)
class Echoed:
    """What receipts of a message repeat, and the sequence number of the last of them."""

    echo: Echo
    sequence: int


def content_out_of(request: SendRequest) -> bytes:
    """What a request says, as it is kept: the same bytes for the same words."""
    return content_out(request.text, request.subject, request.media, group=request.group)


def store_message(
    tx: Transaction,
    request: SendRequest,
    request_id: str,
    content: bytes,
    *,
    open_copies: int,
    send_at: datetime | None,
) -> str:
    """Keep a message; gives its id.

    Args:
        tx: where to.
        request: what is asked for.
        request_id: the id it is known by.
        content: what it says, made by `content_out_of`.
        open_copies: how many are to be sent.
        send_at: only where the provider waits for it.
    """
    message_id = tx.ids.new()
    reply = reply_out(request.reply)
    has_echo = request.metadata is not None or reply is not None
    echo = as_json({"metadata": request.metadata, "reply": reply}) if has_echo else _NO_ECHO
    row = {
        "id": message_id,
        "direction": "out",
        "line": request.line,
        "client": request.client,
        "request_id": request_id,
        "content": content,
        "sum": sum_of(content),
        "lane": request.priority.lane,
        "class": request.message_class.value,
        "receipts": int(request.receipts),
        "on_uncertain": request.on_uncertain.value,
        "echo": echo,
        "sequence": 0,
        "open_copies": open_copies,
        "created_at": tx.now,
        "ended_at": None if open_copies else tx.now,
        "send_at": send_at,
    }
    row["echo_sum"] = echo_sum(echo, row)
    tx.gathered.add_message(row)
    return message_id


def echo_of(tx: Transaction, message_id: str) -> Echo:
    """What receipts repeat. Where that row is damaged they repeat nothing, and a person is told once.

    What a damaged row wishes is not believed: such copies are held where they are uncertain, and are no confirmations.
    """
    row = tx.execute(_ECHO, {"this": message_id}).first()
    return _LOST_ECHO if row is None else _echo(row) or _mended(tx, message_id, row)


def echoes_of(tx: Transaction, message_ids: Collection[str]) -> dict[str, Echoed]:
    """For each of these messages what `echo_of` gives, and its last sequence number; 0 where there is no such row."""
    rows = {row.id: row for row in tx.execute(_ECHOES, {"some": listed(message_ids)}).all()}
    found = {one: Echoed(_echo(row) or _mended(tx, one, row), row.sequence) for one, row in rows.items()}
    return {**dict.fromkeys(message_ids, Echoed(_LOST_ECHO, 0)), **found}


def whole_of(tx: Transaction, message_ids: Collection[str]) -> dict[str, tuple[dict[str, Any], Echo]]:
    """What these messages say, as `content_of`, and what their receipts repeat; only of those that are undamaged."""
    whole = {}
    for row in tx.execute(_WHOLE, {"some": listed(message_ids)}).all():
        content, echo = row.content, _echo(row)
        if echo is not None and not is_forgotten(content) and sum_of(content) == row.sum:
            whole[echo.message_id] = (content_in(content), echo)
    return whole


def _echo(row: Row[Any]) -> Echo | None:
    """What receipts repeat; None where the row is damaged."""
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
    is_whole = values["echo_sum"] == echo_sum(values["echo"], values) or values["echo_sum"] == sum_of(values["echo"])
    what, wish = _CLASSES.get(values["class"]), _WISHES.get(values["on_uncertain"])
    if not is_whole or what is None or wish is None:
        return None
    kept = _NOTHING if values["echo"] == _NO_ECHO else json.loads(values["echo"])
    return Echo(
        message_id=values["id"],
        line=values["line"],
        client=values["client"],
        request_id=values["request_id"],
        receipts=bool(values["receipts"]),
        on_uncertain=wish,
        message_class=what,
        send_at=values["send_at"],
        metadata=kept["metadata"],
        reply=reply_in(kept["reply"]),
    )


def content_of(tx: Transaction, message_id: str) -> dict[str, Any] | None:
    """`text`, `subject`, `media` and `group`; None where that is forgotten.

    None also where that row is damaged or gone, and then a person is told.
    """
    row = tx.execute(_CONTENT, {"this": message_id}).first()
    if row is not None and is_forgotten(row.content):
        return None
    if row is not None and sum_of(row.content) == row.sum:
        return content_in(row.content)
    _tell_damage(tx, row.line if row else None, message_id, "what this message says")
    return None


def sums_of(tx: Transaction, message_ids: Collection[str]) -> dict[str, int]:
    """The checksums of what these messages say, as they are kept: equal for equal words."""
    return {row.id: row.sum for row in tx.execute(_SUMS, {"some": listed(message_ids)})}


@dataclass(frozen=True, slots=True)
class Said:
    """What a message says, to be compared with another. `texts`: its own, and those of its attachments."""

    text: str = field(repr=False)
    subject: str | None = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)


def said_in(tx: Transaction, message_id: str) -> Said | None:
    """What a message says; None where that is forgotten, where there is no such row, or a damaged one."""
    row = tx.execute(_CONTENT, {"this": message_id}).first()
    if row is None or is_forgotten(row.content) or sum_of(row.content) != row.sum:
        return None
    said = json.loads(row.content)
    text = said["text"] or ""
    attached = (b64decode(data).decode("utf-8", "replace") for kind, _, data in said["media"] if is_plain_text(kind))
    return Said(text, said["subject"], tuple(filter(None, (text, *attached))))


def is_plain_text(content_type: str) -> bool:
    """Whether an attachment is a text, which a phone may show as if it were the message's own."""
    return content_type.partition(";")[0].strip().lower() == "text/plain"


def send_at_of(tx: Transaction, message_id: str) -> datetime | None:
    """When the provider is to send it; None where it is not to wait."""
    at: datetime | None = tx.execute(_SEND_AT, {"this": message_id}).scalar()
    return at


def send_times_of(tx: Transaction, message_ids: Collection[str]) -> dict[str, datetime]:
    """When the provider is to send those of these messages that it is to wait with."""
    return {row.id: row.send_at for row in tx.execute(_SEND_TIMES, {"some": listed(message_ids)}).all()}


def _mended(tx: Transaction, message_id: str, row: Row[Any]) -> Echo:
    """A damaged row is made whole with what is safe, so that its damage is told once."""
    _tell_damage(tx, row.line, message_id, "the metadata of this message")
    safe = {
        "class": MessageClass.NORMAL.value,
        "on_uncertain": OnUncertain.HOLD.value,
        "send_at": None,
        "echo": _NO_ECHO,
    }
    mended = {**row._mapping, **safe}  # noqa: SLF001 - as above
    values = {**safe, "echo_sum": echo_sum(_NO_ECHO, mended)}
    tx.execute(message.update().where(message.c.id == message_id).values(values))
    return replace(
        _LOST_ECHO,
        message_id=message_id,
        line=row.line,
        client=row.client,
        request_id=row.request_id,
        receipts=bool(row.receipts),
    )


def is_forgotten(content: bytes) -> bool:
    """Whether this is what is left of a message's content after its time, or after its erasure."""
    return not content


def _tell_damage(tx: Transaction, line: str | None, message_id: str, what: str) -> None:
    thing = SetAside("damaged", line, "message", f"the journal's row is damaged: {what} is lost")
    set_aside(tx, thing, about=message_id)


_NOTHING: Mapping[str, Any] = {"metadata": None, "reply": None}
_NO_ECHO = as_json(_NOTHING)
_LOST_ECHO = Echo("", "", None, "", True, OnUncertain.HOLD, MessageClass.NORMAL, None, None, Reply(), is_whole=False)  # noqa: FBT003 - a row
_CLASSES: Mapping[str, MessageClass] = {one.value: one for one in MessageClass}
_WISHES: Mapping[str, OnUncertain] = {one.value: one for one in OnUncertain}
_ECHO_COLUMNS = (
    message.c.id,
    message.c.line,
    message.c.client,
    message.c.request_id,
    message.c.receipts,
    message.c.on_uncertain,
    message.c["class"],
    message.c.send_at,
    message.c.echo,
    message.c.echo_sum,
)
_SOME = message.c.id.in_(select(unpacked(bindparam("some", type_=Text)).c.value))
_ECHO = select(*_ECHO_COLUMNS).where(message.c.id == bindparam("this"))
_ECHOES = select(*_ECHO_COLUMNS, message.c.sequence).where(_SOME)
_WHOLE = select(*_ECHO_COLUMNS, message.c.content, message.c.sum).where(_SOME)
_SEND_AT = select(message.c.send_at).where(message.c.id == bindparam("this"))
_SEND_TIMES = select(message.c.id, message.c.send_at).where(_SOME, message.c.send_at.is_not(None))
_SUMS = select(message.c.id, message.c.sum).where(_SOME)
_CONTENT = select(message.c.line, message.c.content, message.c.sum).where(message.c.id == bindparam("this"))
FORGOTTEN: Mapping[str, Any] = {"content": b"", "sum": sum_of(b"")}  # the columns that keep what a message says
