"""A send request -> message, copies, calls and its key, all at once or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, select

from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import Plan, SendRequest
from relay.domain.schedule import full_second
from relay.journal.answers import Answer, Asker, accepted, answer, copy_id, first_entry, named, rejected
from relay.journal.checks import checked
from relay.journal.damagedcommands import COMMAND_DAMAGED, is_damaged, whole_command
from relay.journal.foresight import Keys
from relay.journal.queueing import Queued, bind_key, store_request
from relay.journal.schema import command, command_has_no_key
from relay.journal.terms import Judged, judged_at_acceptance
from relay.journal.transaction import WAITING_COPIES, Transaction, waiting_here

# The broker keeps what relay has not acknowledged for as long as its session (`bus.session_expiry`), and delivers it
# again however long relay was away. A client that gives no id repeats itself on purpose, too: so the bytes are
# forgotten as soon as the broker is known to have the acknowledgement (`CommandVerbs.acknowledged`).
REDELIVERED_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Room:
    """How many copies may wait to be sent: in all, on one line, and of one client on one line."""

    in_all: int
    per_line: int
    per_client: int

    def objection(self, tx: Transaction, line: str, client: str | None, more: int) -> Problem | None:
        """Why `more` copies do not fit; None where they do."""
        places = (
            (WAITING_COPIES, self.in_all, "queue.max_copies", "in all"),
            (waiting_here(line), self.per_line, "queue.max_copies_per_line", "on this line"),
            (waiting_here(line, client or ""), self.per_client, "queue.max_copies_per_client", "for this client here"),
        )
        for counter, most, setting, where in places:
            if tx.count(counter) + more > most:
                waiting = f"{tx.count(counter)} copies wait {where}, and {setting} allows {most}"
                return Problem(ErrorCode.QUEUE_FULL, f"{waiting}: try again later, or in smaller requests")
        return None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A send request to be accepted: `refusals[i]` tells why `request.to[i]` is not sent to, or is None."""

    request: SendRequest
    plan: Plan
    refusals: Sequence[Problem | None]
    raw_digest: str | None
    room: Room
    keys: Keys

    def __call__(self, tx: Transaction) -> Answer:
        """Accept it, replay the answer it had before, or reject it."""
        request = self.request
        asker = Asker(request.line, request.client, request.reply)
        known = known_as(tx, request, self.raw_digest, self.keys)
        if known is not None:
            return answer(tx, asker, again(request, known))
        problem = self._objection(tx)
        if problem is not None:
            return answer(tx, asker, rejected(request.key, request.ref, problem, request.metadata))
        return answer(tx, asker, self._store(tx))

    def check(self, tx: Transaction, duplicates: int) -> Answer:
        """Say what would become of it, by the same rules; nothing but the answer is kept.

        `duplicates`: how many recipients were named more than once. An id that is known is said to be `replayed`.
        """
        request, known = self.request, known_as(tx, self.request, self.raw_digest, self.keys)
        problem = self._objection(tx) if known is None else None
        if known is not None and known.digest != request.digest:
            body = again(request, known)
        elif problem is not None:
            body = rejected(request.key, request.ref, problem, request.metadata)
        else:
            judged = judged_at_acceptance(tx, request, self.plan, self.refusals)
            body = checked(request, self.plan, judged, duplicates=duplicates, expires_at=expiry_of(request, tx.now))
            body |= {"replayed": True, "message_id": known.message_id} if known is not None else {}
        return answer(tx, Asker(request.line, request.client, request.reply), body)

    def _objection(self, tx: Transaction) -> Problem | None:
        request = self.request
        expires_at, send_at = expiry_of(request, tx.now), request.send_at
        if send_at is not None and expires_at is not None and expires_at <= send_at:
            return Problem(ErrorCode.INVALID_REQUEST, "send_at must come before the request expires")
        return self.room.objection(tx, request.line, request.client, len(request.to))

    def _store(self, tx: Transaction) -> dict[str, Any]:
        request = self.request
        request_id = request.key or tx.ids.new()
        judged = judged_at_acceptance(tx, request, self.plan, self.refusals)
        expires_at = expiry_of(request, tx.now)
        queued = store_request(tx, request, self.plan, judged, request_id=request_id, expires_at=expires_at)
        ids = (request_id, queued.message_id)
        body = accepted(request, self.plan, _entries(request, judged, queued), ids=ids, calls=queued.calls)
        bind_key(tx, request, request_id, body, self.raw_digest if request.key is None else None)
        return body


def refused(tx: Transaction, request: SendRequest, raw_digest: str | None, problem: Problem) -> Answer:
    """Answer a request that cannot be sent; one that was accepted, when it could be, is answered as it was then."""
    known = known_as(tx, request, raw_digest)
    if known is not None and (known.digest == request.digest or is_damaged(known)):
        body = again(request, known)
    else:
        body = rejected(request.key, request.ref, problem, request.metadata)
    return answer(tx, Asker(request.line, request.client, request.reply), body)


def known_as(
    tx: Transaction, request: SendRequest, raw_digest: str | None, keys: Keys | None = None
) -> Row[Any] | None:
    """The command that this one repeats: by its key, or the broker's own redelivery of one without a key."""
    client = request.client or ""
    mine: dict[str, Any] = {"here": request.line, "by": client}
    if request.key is not None:
        if keys is not None and keys.is_free(tx, (request.line, client, request.key)):
            return None
        return whole_command(tx, tx.execute(_BY_KEY, {**mine, "asked": request.key}).first())
    if not request.redelivered or raw_digest is None:
        return None
    since = tx.now - REDELIVERED_WITHIN
    return whole_command(tx, tx.execute(_BY_BYTES, {**mine, "asked": raw_digest, "since": since}).first())


def again(request: SendRequest, known: Row[Any]) -> dict[str, Any]:
    """The answer that it had before; a `conflict` where its key was another request's."""
    if is_damaged(known):
        return rejected(request.key, request.ref, COMMAND_DAMAGED, request.metadata)
    if known.digest == request.digest:
        return {**named(known.answer, request), "replayed": True, "ref": request.ref}
    problem = Problem(ErrorCode.CONFLICT, "this id was used for another request: give every request its own id")
    return rejected(request.key, request.ref, problem, request.metadata)


def _entries(request: SendRequest, judged: Judged, queued: Queued) -> list[dict[str, Any]]:
    """Each copy's place in the result."""
    return [
        {
            **first_entry(address.value, state.status, refusal, due.at if due.why and refusal is None else None),
            "copy_id": copy_id(queued.message_id, place),
        }
        for place, (address, state, refusal, due) in enumerate(
            zip(request.to, queued.states, judged.refusals, judged.due, strict=True)
        )
    ]


def expiry_of(request: SendRequest, now: datetime) -> datetime | None:
    """When what is left of a request that is accepted now is not sent any more.

    A `ttl` ends with a full second: requests that come within one and live equally long can travel together.
    """
    if request.expires_at is not None or request.ttl is None:
        return request.expires_at
    return full_second(now + timedelta(seconds=request.ttl))


_MINE = select(command).where(command.c.line == bindparam("here"), command.c.client == bindparam("by"))
_BY_KEY = _MINE.where(command.c.key == bindparam("asked"))
_BY_BYTES = (
    _MINE.where(
        command_has_no_key, command.c.raw_digest == bindparam("asked"), command.c.created_at >= bindparam("since")
    )
    .order_by(command.c.created_at.desc())
    .limit(1)
)
