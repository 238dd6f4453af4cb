"""The tables. A change here needs a migration beside it; a test compares the two.

What an index covers only in part is written as a constant condition and used in the queries as it stands: a
database takes a partial index only where it can see, without any parameter, that the query asks for that part.
"""

from sqlalchemy import Column, Index, LargeBinary, literal_column, text

from relay.journal.columns import Checked, Json, Moment, Whole, Words
from relay.journal.tables import equals, metadata, need, part, table

__all__ = ["metadata"]

raw = table(
    "raw",
    need("id", Words, primary_key=True),
    need("line", Words),
    need("source", Words),  # inbox, status, hook, mail, changes
    need("event", Words),
    need("about", Words),
    need("content_type", Words),
    need("body", LargeBinary),
    need("received_at", Moment),
    need("state", Words),  # kept, read, aside
    need("sum", Whole),
)
raw_is_kept = equals(raw.c.state, "'kept'")
raw_is_read = equals(raw.c.state, "'read'")
part("raw_kept", raw.c.line, raw.c.id, where=raw_is_kept)
part("raw_read", raw.c.received_at, where=raw_is_read)

message = table(
    "message",
    need("id", Words, primary_key=True),
    need("direction", Words),  # in, out, elsewhere: from another device
    need("line", Words),
    Column("client", Words),
    need("request_id", Words),
    need("content", LargeBinary),  # text, subject, media, group; empty: forgotten
    need("sum", Whole),
    need("lane", Whole),
    need("class", Words),
    need("receipts", Whole),
    need("on_uncertain", Words),
    need("echo", LargeBinary),  # metadata and reply: what its receipts repeat
    need("echo_sum", Whole),
    need("sequence", Whole),
    need("open_copies", Whole),
    need("created_at", Moment),
    Column("ended_at", Moment),
    Column("send_at", Moment),  # only where the provider waits for it
)
message_has_ended = message.c.ended_at.is_not(None)
part("message_ended", message.c.ended_at, where=message_has_ended)
message_is_told = message_has_ended & literal_column("length(content)").op(">")(literal_column("0"))
part("message_told", message.c.direction, message.c.ended_at, where=message_is_told)

copy = table(
    "copy",
    need("id", Words, primary_key=True),
    need("message_id", Words),
    Column("call_id", Words),
    need("ordinal", Whole),
    need("line", Words),
    need("address_kind", Words),
    need("address", Words),
    need("address_raw", Words),
    need("state", Words),
    need("ended", Whole),
    need("attempt", Whole),
    Column("remote_ref", Words),
    Column("provider_status", Words),
    Column("provider_code", Words),
    Column("problem", Json),
    need("changed_at", Moment),
    # How many calls the provider may have taken it by, and has not shown it of.
    need("unseen", Whole, server_default=text("0")),
    need("waits", Whole, server_default=text("0")),  # 1: it has not been handed over, nor may have been
    Column("client", Words),
    Column("sum", Whole),  # of what never changes; NULL: it was made before there were sums
)
copy_is_live = equals(copy.c.ended, "0")
copy_is_unseen = copy.c.unseen.op(">")(literal_column("0"))
copy_waits = equals(copy.c.waits, "1")
copy_has_ref = copy.c.remote_ref.is_not(None)
part("copy_live", copy.c.state, copy.c.line, where=copy_is_live)
part("copy_unseen", copy.c.line, copy.c.address, where=copy_is_unseen)
part("copy_waiting", copy.c.line, copy.c.address, copy.c.message_id, copy.c.client, where=copy_waits)
part("copy_ref", copy.c.line, copy.c.remote_ref, where=copy_has_ref)
Index("copy_message", copy.c.message_id, copy.c.ordinal)
Index("copy_call", copy.c.call_id)

call = table(
    "call",
    need("id", Words, primary_key=True),
    need("line", Words),
    need("message_id", Words),
    need("lane", Whole),
    need("stage", Words),  # waiting, in_flight, followed, held, closed
    need("due_at", Moment),
    Column("expires_at", Moment),
    need("attempts", Whole),
    Column("owner", Words),
    Column("recipients", Json),  # the ids of the copies that the call in flight carries, in its order
    Column("began_at", Moment),
    Column("remote_ref", Words),
    Column("handed_over_at", Moment),
    Column("look_at", Moment),
    need("looks", Whole),
    # 1: the line shows what it sent, so that its copies are to be looked for.
    need("unseen", Whole, server_default=text("0")),
    Column("company", Words),  # equal for calls whose copies may travel together; NULL: nobody joins
    need("size", Whole, server_default=text("0")),  # how many copies it was given
    Column("why", Words),  # why it waits: one of relay.domain.waiting.Why
    Column("behind", Words),  # the call that has to end first, for the order of a conversation
    Column("resume_at", Moment),  # only while it is held: when it would be due
)
call_is_waiting = equals(call.c.stage, "'waiting'")
call_is_in_flight = equals(call.c.stage, "'in_flight'")
call_is_followed = equals(call.c.stage, "'followed'")
call_expires = call_is_waiting & call.c.expires_at.is_not(None)
call_is_looked_at = call_is_followed & call.c.look_at.is_not(None)
call_has_ref = call.c.remote_ref.is_not(None)
call_takes_company = call_is_waiting & call.c.company.is_not(None)
call_is_behind = call.c.behind.is_not(None)
call_is_held_back = call.c.resume_at.is_not(None)
part("call_waiting", call.c.line, call.c.lane, call.c.due_at, call.c.id, where=call_is_waiting)
part("call_expiring", call.c.expires_at, where=call_expires)
part("call_in_flight", call.c.line, call.c.id, where=call_is_in_flight)
part("call_followed", call.c.handed_over_at, where=call_is_followed)
part("call_look", call.c.line, call.c.look_at, call.c.id, where=call_is_looked_at)
part("call_ref", call.c.line, call.c.remote_ref, where=call_has_ref)
part("call_company", call.c.line, call.c.company, call.c.id, where=call_takes_company)
part("call_behind", call.c.behind, where=call_is_behind)
part("call_held_back", call.c.line, call.c.id, where=call_is_held_back)
Index("call_message", call.c.message_id)

command = table(
    "command",
    need("key", Words, primary_key=True),
    need("line", Words, primary_key=True),
    need("client", Words, primary_key=True),  # empty where there is none, because NULL is not equal to NULL
    need("digest", Words),
    Column("raw_digest", Words),  # only where the client gave no key
    need("message_id", Words),
    need("answer", Json),
    need("created_at", Moment),
    Column("sum", Whole),  # as that of a copy
    Column("ended_at", Moment),  # when its message had ended: only where it outlives that
)
command_has_no_key = command.c.raw_digest.is_not(None)
command_is_left = command.c.ended_at.is_not(None)
part("command_raw", command.c.raw_digest, command.c.line, where=command_has_no_key)
part("command_left", command.c.ended_at, where=command_is_left)
Index("command_message", command.c.message_id)

event = table(
    "event",
    Column("position", Whole, primary_key=True, autoincrement=True),
    need("id", Words),
    need("kind", Words),
    Column("line", Words),
    Column("client", Words),
    need("subject", Words),
    need("sequence", Whole),
    need("occurred_at", Moment),
    need("recorded_at", Moment),
    need("body", LargeBinary),
    Column("reply", LargeBinary),
    Column("published_at", Moment),
    need("sum", Whole),
    sqlite_autoincrement=True,  # a position is never used twice, whatever was purged
)
event_waits = event.c.published_at.is_(None)
event_is_published = event.c.published_at.is_not(None)
part("event_waiting", event.c.position, where=event_waits)
part("event_published", event.c.published_at, where=event_is_published)
Index("event_id", event.c.id, unique=True)
Index("event_subject", event.c.subject)

aside = table(
    "aside",
    need("id", Words, primary_key=True),
    need("kind", Words),  # raw, event, uncertain, orphan, damaged
    Column("line", Words),
    need("what", Words),
    need("why", Words),
    Column("raw_id", Words),
    Column("event_id", Words),
    Column("copy_id", Words),
    need("at", Moment),
    need("state", Words),  # open, settled
    Column("parked_id", Words),
)
aside_is_open = equals(aside.c.state, "'open'")
aside_is_settled = equals(aside.c.state, "'settled'")
part("aside_open", aside.c.id, where=aside_is_open)
part("aside_kind", aside.c.kind, aside.c.line, aside.c.id, where=aside_is_open)
part("aside_settled", aside.c.at, where=aside_is_settled)
part("aside_raw", aside.c.raw_id, where=aside_is_open)
Index("aside_copy", aside.c.copy_id)
Index("aside_event", aside.c.event_id)
aside_has_parked = aside.c.parked_id.is_not(None)
part("aside_parked", aside.c.parked_id, where=aside_has_parked)

parked = table(
    "parked",
    need("id", Words, primary_key=True),
    need("line", Words),
    need("ref", Words),
    need("report", Json),
    need("at", Moment),
    Column("aside_at", Moment),  # since when a person is to look at it
)
parked_waits = parked.c.aside_at.is_(None)
Index("parked_ref", parked.c.line, parked.c.ref)
part("parked_waiting", parked.c.at, where=parked_waits)

seen = table(
    "seen",
    need("line", Words, primary_key=True),
    need("key", LargeBinary, primary_key=True),
    need("at", Moment),
    Column("raw_id", Words),
    sqlite_with_rowid=False,
)
Index("seen_at", seen.c.at)

memory = table(
    "memory",
    need("owner", Words, primary_key=True),
    need("key", Words, primary_key=True),
    need("value", Checked),
)

lease = table(
    "lease",
    need("name", Words, primary_key=True),
    need("owner", Words),
    need("until", Moment),
    need("token", Whole),
)
