"""The life of one thing, from every table that knows it. No text, no number."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select

from relay.journal.announce import announcement
from relay.journal.codec import problem_code
from relay.journal.listing import one_of
from relay.journal.mailschema import arrival, mail, mail_has_message, sighting
from relay.journal.outgoing import is_forgotten
from relay.journal.queuelist import call_entry
from relay.journal.schema import aside, call, command, copy, event, message, raw
from relay.journal.tracewords import CallWaits, why_they_wait
from relay.rules.line import Rules

# What is shown of an event's body: words and ids, never what somebody wrote or a number.
_SHOWN = (
    "outcome",
    "replayed",
    "copy_id",
    "status",
    "previous",
    "final",
    "confirmed",
    "late",
    "attempt",
    "what",
    "why",
)


def trace(connection: Connection, about: str, rules: Rules, now: datetime) -> list[dict[str, Any]]:
    """Everything that is known of `about`, in the order of time, and last why what waits does so; empty: it is unknown.

    Args:
        connection: reads.
        about: the id of a request, a message, a copy, a call, kept bytes, what was set aside, or what is awaited.
        rules: the rules of sending.
        now: the time.
    """
    messages = sorted(_messages(connection, about))
    steps: list[dict[str, Any]] = []
    for message_id in messages:
        steps += _of_message(connection, message_id)
    # Copies of several messages may travel in one call.
    call_ids = sorted({step["call_id"] for step in steps if step["what"] == "copy" and step["call_id"]})
    steps += _calls(connection, call_ids)
    if not messages:
        steps += _of_raw(connection, raw.c.id == about)
        steps += _awaited(connection, about)
    steps += _asides(connection, or_(aside.c.id == about, aside.c.raw_id == about, aside.c.event_id == about))
    waits = [_waits(one, now) for one in why_they_wait(connection, call_ids, rules, now)] if call_ids else []
    return [*sorted(steps, key=lambda step: step["at"]), *waits]


def _messages(connection: Connection, about: str) -> set[str]:
    asked = (
        select(message.c.id).where(message.c.id == about),
        select(command.c.message_id).where(command.c.key == about),
        select(copy.c.message_id).where(copy.c.id == about),
        select(call.c.message_id).where(call.c.id == about),
        select(copy.c.message_id).where(copy.c.call_id == about),
        select(copy.c.message_id).join(aside, aside.c.copy_id == copy.c.id).where(aside.c.id == about),
    )
    return {row[0] for one in asked for row in connection.execute(one)}


def _of_message(connection: Connection, message_id: str) -> Iterator[dict[str, Any]]:
    for row in connection.execute(select(message).where(message.c.id == message_id)):
        yield {
            "at": row.created_at,
            "what": "message",
            "message_id": row.id,
            "direction": row.direction,
            "line": row.line,
            "client": row.client,
            "request_id": row.request_id,
            "open_copies": row.open_copies,
            "send_at": row.send_at,
            "forgotten": is_forgotten(row.content),
            "refs": _refs(connection, row.id),
        }
    yield from _copies(connection, message_id)
    yield from _events(connection, message_id)
    mine = select(copy.c.id).where(copy.c.message_id == message_id)
    yield from _asides(connection, aside.c.copy_id.in_(mine))


def _refs(connection: Connection, message_id: str) -> list[str]:
    """The provider's ids of a message that it shows."""
    named = select(mail.c.ref).where(mail_has_message, mail.c.message_id == message_id).order_by(mail.c.ref)
    return list(connection.execute(named).scalars())


def _copies(connection: Connection, message_id: str) -> Iterator[dict[str, Any]]:
    for row in connection.execute(select(copy).where(copy.c.message_id == message_id).order_by(copy.c.ordinal)):
        yield {
            "at": row.changed_at,
            "what": "copy",
            "copy_id": row.id,
            "call_id": row.call_id,
            "state": row.state,
            "attempt": row.attempt,
            "provider_status": row.provider_status,
            "provider_code": row.provider_code,
            "unseen": bool(row.unseen),
            "error": problem_code(row.problem),
        }


def _calls(connection: Connection, call_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    if not call_ids:
        return
    for row in connection.execute(select(call).where(one_of(call.c.id, call_ids)).order_by(call.c.id)):
        yield {
            "at": row.began_at or row.resume_at or row.due_at,
            "what": "call",
            **call_entry(row),
            "handed_over_at": row.handed_over_at,
            "look_at": row.look_at,
            "looks": row.looks,
        }


def _waits(one: CallWaits, now: datetime) -> dict[str, Any]:
    return {
        "at": now,
        "what": "waits",
        "call_id": one.call_id,
        "line": one.line,
        "copies": one.copies,
        "why": one.waiting.word,
        "until": one.waiting.until,
        "sentence": one.waiting.sentence,
    }


def _events(connection: Connection, message_id: str) -> Iterator[dict[str, Any]]:
    for row in connection.execute(select(event).where(event.c.subject == message_id).order_by(event.c.position)):
        whole = announcement(row)
        body = whole.body if whole else {}
        yield {
            "at": row.recorded_at,
            "what": row.kind,
            "event_id": row.id,
            "sequence": row.sequence,
            "published_at": row.published_at,
            **{name: body[name] for name in _SHOWN if name in body and name != "what"},
        }


def _of_raw(connection: Connection, which: ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    columns = (raw.c.id, raw.c.line, raw.c.source, raw.c.event, raw.c.state, raw.c.received_at)
    for row in connection.execute(select(*columns).where(which)):
        yield {
            "at": row.received_at,
            "what": "raw",
            "raw_id": row.id,
            "line": row.line,
            "source": row.source,
            "event": row.event,
            "state": row.state,
        }


def _awaited(connection: Connection, about: str) -> Iterator[dict[str, Any]]:
    for row in connection.execute(select(arrival).where(arrival.c.id == about)):
        known = {"line": row.line, "ref": row.ref, "due_at": row.due_at, "attempts": row.attempts}
        yield {"at": row.since, "what": "arrival", "arrival_id": row.id, **known}
    for row in connection.execute(select(sighting).where(sighting.c.id == about)):
        known = {"line": row.line, "ref": row.ref, "due_at": row.due_at}
        yield {"at": row.since, "what": "sighting", "sighting_id": row.id, **known}


def _asides(connection: Connection, which: ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    for row in connection.execute(select(aside).where(which)):
        yield {
            "at": row.at,
            "what": "aside",
            "aside_id": row.id,
            "kind": row.kind,
            "about": row.what,
            "why": row.why,
            "state": row.state,
            "copy_id": row.copy_id,
            "raw_id": row.raw_id,
        }
