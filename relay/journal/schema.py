"""The tables. A change here needs a migration beside it; a test compares the two.

What an index covers only in part is written as a constant condition and used in the queries as it stands: a
database takes a partial index only where it can see, without any parameter, that the query asks for that part.
"""

from typing import Any

from sqlalchemy import Column, ColumnElement, Index, LargeBinary, MetaData, Table, literal_column

from relay.journal.columns import Json, Moment, Whole, Words

metadata = MetaData()


def _table(name: str, *columns: Column[Any], **options: Any) -> Table:
    return Table(name, metadata, *columns, sqlite_strict=True, **options)


def _need(name: str, kind: Any, **options: Any) -> Column[Any]:
    return Column(name, kind, nullable=False, **options)


def _part(name: str, *columns: Column[Any], where: ColumnElement[bool]) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


def _is(column: Column[Any], constant: str) -> ColumnElement[bool]:
    return column == literal_column(constant)


raw = _table(
    "raw",
    _need("id", Words, primary_key=True),
    _need("line", Words),
    _need("source", Words),  # inbox, status, hook
    _need("event", Words),
    _need("about", Words),
    _need("content_type", Words),
    _need("body", LargeBinary),
    _need("received_at", Moment),
    _need("state", Words),  # kept, read, aside
    _need("sum", Whole),
)
raw_is_kept = _is(raw.c.state, "'kept'")
raw_is_read = _is(raw.c.state, "'read'")
_part("raw_kept", raw.c.line, raw.c.id, where=raw_is_kept)
_part("raw_read", raw.c.received_at, where=raw_is_read)

message = _table(
    "message",
    _need("id", Words, primary_key=True),
    _need("direction", Words),  # in, out
    _need("line", Words),
    Column("client", Words),
    _need("request_id", Words),
    _need("content", LargeBinary),  # text, subject, media, group
    _need("sum", Whole),
    _need("lane", Whole),
    _need("class", Words),
    _need("receipts", Whole),
    _need("on_uncertain", Words),
    _need("echo", LargeBinary),  # metadata and reply: what its receipts repeat
    _need("echo_sum", Whole),
    _need("sequence", Whole),
    _need("open_copies", Whole),
    _need("created_at", Moment),
    Column("ended_at", Moment),
)
message_has_ended = message.c.ended_at.is_not(None)
_part("message_ended", message.c.ended_at, where=message_has_ended)

copy = _table(
    "copy",
    _need("id", Words, primary_key=True),
    _need("message_id", Words),
    Column("call_id", Words),
    _need("ordinal", Whole),
    _need("line", Words),
    _need("address_kind", Words),
    _need("address", Words),
    _need("address_raw", Words),
    _need("state", Words),
    _need("ended", Whole),
    _need("attempt", Whole),
    Column("remote_ref", Words),
    Column("provider_status", Words),
    Column("provider_code", Words),
    Column("problem", Json),
    _need("changed_at", Moment),
)
copy_is_live = _is(copy.c.ended, "0")
copy_has_ref = copy.c.remote_ref.is_not(None)
_part("copy_live", copy.c.state, copy.c.line, where=copy_is_live)
_part("copy_ref", copy.c.line, copy.c.remote_ref, where=copy_has_ref)
Index("copy_message", copy.c.message_id, copy.c.ordinal)
Index("copy_call", copy.c.call_id)

call = _table(
    "call",
    _need("id", Words, primary_key=True),
    _need("line", Words),
    _need("message_id", Words),
    _need("lane", Whole),
    _need("stage", Words),  # waiting, in_flight, followed, held, closed
    _need("due_at", Moment),
    Column("expires_at", Moment),
    _need("attempts", Whole),
    Column("owner", Words),
    Column("recipients", Json),  # ordinals of the copies that the call in flight carries, in its order
    Column("began_at", Moment),
    Column("remote_ref", Words),
    Column("handed_over_at", Moment),
    Column("look_at", Moment),
    _need("looks", Whole),
)
call_is_waiting = _is(call.c.stage, "'waiting'")
call_is_in_flight = _is(call.c.stage, "'in_flight'")
call_is_followed = _is(call.c.stage, "'followed'")
call_expires = call_is_waiting & call.c.expires_at.is_not(None)
call_is_looked_at = call_is_followed & call.c.look_at.is_not(None)
call_has_ref = call.c.remote_ref.is_not(None)
_part("call_waiting", call.c.line, call.c.lane, call.c.due_at, call.c.id, where=call_is_waiting)
_part("call_expiring", call.c.expires_at, where=call_expires)
_part("call_in_flight", call.c.line, call.c.id, where=call_is_in_flight)
_part("call_followed", call.c.handed_over_at, where=call_is_followed)
_part("call_look", call.c.line, call.c.look_at, call.c.id, where=call_is_looked_at)
_part("call_ref", call.c.line, call.c.remote_ref, where=call_has_ref)
Index("call_message", call.c.message_id)

command = _table(
    "command",
    _need("key", Words, primary_key=True),
    _need("line", Words, primary_key=True),
    _need("client", Words, primary_key=True),  # empty where there is none, because NULL is not equal to NULL
    _need("digest", Words),
    Column("raw_digest", Words),  # only where the client gave no key
    _need("message_id", Words),
    _need("answer", Json),
    _need("created_at", Moment),
)
command_has_no_key = command.c.raw_digest.is_not(None)
_part("command_raw", command.c.raw_digest, command.c.line, where=command_has_no_key)
Index("command_message", command.c.message_id)

event = _table(
    "event",
    Column("position", Whole, primary_key=True, autoincrement=True),
    _need("id", Words),
    _need("kind", Words),
    Column("line", Words),
    Column("client", Words),
    _need("subject", Words),
    _need("sequence", Whole),
    _need("occurred_at", Moment),
    _need("recorded_at", Moment),
    _need("body", LargeBinary),
    Column("reply", LargeBinary),
    Column("published_at", Moment),
    _need("sum", Whole),
    sqlite_autoincrement=True,  # a position is never used twice, whatever was purged
)
event_waits = event.c.published_at.is_(None)
event_is_published = event.c.published_at.is_not(None)
_part("event_waiting", event.c.position, where=event_waits)
_part("event_published", event.c.published_at, where=event_is_published)
Index("event_id", event.c.id, unique=True)
Index("event_subject", event.c.subject)

aside = _table(
    "aside",
    _need("id", Words, primary_key=True),
    _need("kind", Words),  # raw, event, uncertain, damaged
    Column("line", Words),
    _need("what", Words),
    _need("why", Words),
    Column("raw_id", Words),
    Column("event_id", Words),
    Column("copy_id", Words),
    _need("at", Moment),
    _need("state", Words),  # open, settled
)
aside_is_open = _is(aside.c.state, "'open'")
aside_is_settled = _is(aside.c.state, "'settled'")
_part("aside_open", aside.c.id, where=aside_is_open)
_part("aside_settled", aside.c.at, where=aside_is_settled)
Index("aside_copy", aside.c.copy_id)
Index("aside_event", aside.c.event_id)

parked = _table(
    "parked",
    _need("id", Words, primary_key=True),
    _need("line", Words),
    _need("ref", Words),
    _need("report", Json),
    _need("at", Moment),
)
Index("parked_ref", parked.c.line, parked.c.ref)
Index("parked_at", parked.c.at)

seen = _table(
    "seen",
    _need("line", Words, primary_key=True),
    _need("key", LargeBinary, primary_key=True),
    _need("at", Moment),
    Column("raw_id", Words),
    sqlite_with_rowid=False,
)
Index("seen_at", seen.c.at)

memory = _table(
    "memory",
    _need("owner", Words, primary_key=True),
    _need("key", Words, primary_key=True),
    _need("value", LargeBinary),
)

lease = _table(
    "lease",
    _need("name", Words, primary_key=True),
    _need("owner", Words),
    _need("until", Moment),
    _need("token", Whole),
)
