"""Answers to commands, as the contract writes them (section 4, Result), and on their way to the bus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from relay.domain.errors import Problem
from relay.domain.messages import Plan, Reply, SendRequest
from relay.domain.states import Status
from relay.journal.announce import News, announce, next_sequence
from relay.journal.codec import timestamp
from relay.journal.copyrows import Copy
from relay.journal.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a command: on disk, and announced. `body` is the result's `data`."""

    body: Mapping[str, Any] = field(repr=False)
    message_id: str | None
    replayed: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Who gave a command, and where the answer goes besides the line's topic."""

    line: str | None
    client: str | None
    reply: Reply


def answer(tx: Transaction, asker: Asker, body: Mapping[str, Any]) -> Answer:
    """Announce `body` as the result of a command. It is about its message, where it names one that is known."""
    message_id = body["message_id"]
    sequence = next_sequence(tx, message_id) if message_id else 1
    subject = message_id or body["request_id"] or ""
    announce(tx, News("result", asker.line, subject, body, client=asker.client, sequence=sequence, reply=asker.reply))
    return Answer(body, message_id, body["replayed"], body["outcome"])


def result(outcome: str, request_id: str | None, ref: str | None, **known: Any) -> dict[str, Any]:
    """A result with every field of the contract; those that are not in `known` say nothing."""
    return {
        "request_id": request_id,
        "message_id": None,
        "outcome": outcome,
        "replayed": False,
        "idempotent": request_id is not None,
        "copies": [],
        "encoding": None,
        "segments": None,
        "sent_as": None,
        "calls": None,
        "ref": ref,
        "error": None,
        "metadata": None,
        **known,
    }


def unnamed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The first result of a send request as it is kept for who repeats it: without what the repetition brings along."""
    copies = [{name: value for name, value in entry.items() if name != "to"} for entry in body.get("copies", ())]
    return {**body, **({"copies": copies} if copies else {}), **({"metadata": None} if "metadata" in body else {})}


def named(body: Mapping[str, Any], request: SendRequest) -> dict[str, Any]:
    """What `unnamed` made, as the answer to the same request again."""
    entries = body.get("copies") or []
    copies = [{"to": to.value, **entry} for to, entry in zip(request.to, entries, strict=False)]
    return {**body, "copies": copies, "metadata": request.metadata}


def rejected(
    request_id: str | None, ref: str | None, problem: Problem, metadata: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The result of a command that has no effect."""
    return result("rejected", request_id, ref, error=problem.as_body(), metadata=metadata)


def accepted(
    request: SendRequest, plan: Plan, copies: Sequence[Mapping[str, Any]], *, ids: tuple[str, str], calls: int
) -> dict[str, Any]:
    """The first result of a send request. `ids` are the request's and the message's, `copies` made by `first_entry`."""
    request_id, message_id = ids
    return result(
        "accepted",
        request_id,
        request.ref,
        message_id=message_id,
        idempotent=request.key is not None,
        copies=copies,
        encoding=plan.encoding,
        segments=plan.segments,
        sent_as=plan.sent_as,
        calls=calls,
        metadata=request.metadata,
    )


def first_entry(to: str, status: Status, problem: Problem | None, due_at: datetime | None) -> dict[str, Any]:
    """How a copy stands when its request is accepted, or checked: `due_at` only where it waits for a time."""
    entry: dict[str, Any] = {"to": to, "status": status.value}
    if problem is not None:
        entry["error"] = problem.as_body()
    if due_at is not None:
        entry["due_at"] = timestamp(due_at)
    return entry


def standing(one: Copy, problem: Problem | None = None) -> dict[str, Any]:
    """A copy as it stands now; `problem` in place of its own."""
    error = problem or one.problem
    return {
        "to": one.address.value,
        "copy_id": one.id,
        "status": one.state.status.value,
        "final": one.state.final,
        "confirmed": one.state.confirmed,
        "attempt": one.attempt,
        "error": error.as_body() if error else None,
    }


def copy_id(message_id: str, ordinal: int) -> str:
    """The id of a message's copy."""
    return f"{message_id}-{ordinal}"
