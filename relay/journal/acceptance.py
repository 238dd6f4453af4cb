"""A send request -> message, copies, calls and its key, all at once or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, insert, select

from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import Plan, SendRequest
from relay.domain.states import State
from relay.journal.answers import Answer, Asker, accepted, answer, copy_id, rejected
from relay.journal.callrows import NewCall, add_call
from relay.journal.outgoing import store_message
from relay.journal.schema import command, command_has_no_key, copy
from relay.journal.transaction import WAITING_COPIES, Transaction

# The broker keeps what relay has not acknowledged for as long as its session (`bus.session_expiry`), and delivers it
# again however long relay was away. A client that gives no id repeats itself on purpose, too: so the bytes are
# forgotten as soon as the broker is known to have the acknowledgement (`CommandVerbs.acknowledged`).
REDELIVERED_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A send request to be accepted: `refusals[i]` tells why `request.to[i]` is not sent to, or is None."""

    request: SendRequest
    plan: Plan
    refusals: Sequence[Problem | None]
    raw_digest: str | None
    most_waiting: int

    def __call__(self, tx: Transaction) -> Answer:
        """Accept it, replay the answer it had before, or reject it."""
        request = self.request
        asker = Asker(request.line, request.client, request.reply)
        known = self._known(tx)
        if known is not None:
            return answer(tx, asker, self._again(known))
        problem = self._objection(tx)
        if problem is not None:
            return answer(tx, asker, rejected(request.key, request.ref, problem, request.metadata))
        return answer(tx, asker, self._store(tx))

    def _known(self, tx: Transaction) -> Row[Any] | None:
        """The command that this one repeats: by its key, or the broker's own redelivery of one without a key."""
        request, raw_digest = self.request, self.raw_digest
        mine: dict[str, Any] = {"here": request.line, "by": request.client or ""}
        if request.key is not None:
            return tx.execute(_BY_KEY, {**mine, "asked": request.key}).first()
        if not request.redelivered or raw_digest is None:
            return None
        since = tx.now - REDELIVERED_WITHIN
        return tx.execute(_BY_BYTES, {**mine, "asked": raw_digest, "since": since}).first()

    def _again(self, known: Row[Any]) -> dict[str, Any]:
        request = self.request
        if known.digest == request.digest:
            return {**known.answer, "replayed": True, "ref": request.ref}
        problem = Problem(ErrorCode.CONFLICT, "this id was used for another request: give every request its own id")
        return rejected(request.key, request.ref, problem, request.metadata)

    def _objection(self, tx: Transaction) -> Problem | None:
        expires_at, send_at = self._expires_at(tx.now), self.request.send_at
        if send_at is not None and expires_at is not None and expires_at <= send_at:
            return Problem(ErrorCode.INVALID_REQUEST, "send_at must come before the request expires")
        if tx.count(WAITING_COPIES) + len(self.request.to) > self.most_waiting:
            return Problem(ErrorCode.QUEUE_FULL, f"{tx.count(WAITING_COPIES)} copies wait to be sent; try again later")
        return None

    def _store(self, tx: Transaction) -> dict[str, Any]:
        request = self.request
        request_id = request.key or tx.ids.new()
        good = [place for place, refusal in enumerate(self.refusals) if refusal is None]
        later = request.send_at if request.send_at is not None and request.send_at > tx.now else None
        given_at_once = later if self.plan.provider_waits else None
        message_id = store_message(tx, request, request_id, open_copies=len(good), send_at=given_at_once)
        waiting = State.SCHEDULED if later and not given_at_once else State.QUEUED
        calls = self._store_calls(tx, message_id, good)
        tx.execute(
            insert(copy), [self._copy(tx, message_id, place, calls, waiting) for place in range(len(request.to))]
        )
        tx.counts[WAITING_COPIES] += len(good)
        body = accepted(request, self.plan, self.refusals, ids=(request_id, message_id), waiting=waiting.status)
        self._store_command(tx, request_id, body)
        return body

    def _store_calls(self, tx: Transaction, message_id: str, places: Sequence[int]) -> dict[int, str]:
        """The call of each copy, by the copy's place in the request."""
        request, size = self.request, self.plan.recipients_per_call
        due_at = tx.now if self.plan.provider_waits else max(request.send_at or tx.now, tx.now)
        new = NewCall(request.line, message_id, request.priority.lane, due_at, self._expires_at(tx.now))
        calls: dict[int, str] = {}
        for start in range(0, len(places), size):
            calls |= dict.fromkeys(places[start : start + size], add_call(tx, new))
        return calls

    def _copy(
        self, tx: Transaction, message_id: str, place: int, calls: dict[int, str], waiting: State
    ) -> dict[str, Any]:
        address, refusal = self.request.to[place], self.refusals[place]
        return {
            "id": copy_id(message_id, place),
            "message_id": message_id,
            "call_id": calls.get(place),
            "ordinal": place,
            "line": self.request.line,
            "address_kind": address.kind.value,
            "address": address.value,
            "address_raw": address.raw,
            "state": (State.FAILED if refusal else waiting).key,
            "ended": int(refusal is not None),
            "attempt": 0,
            "problem": refusal.as_body() if refusal else None,
            "changed_at": tx.now,
        }

    def _store_command(self, tx: Transaction, request_id: str, body: dict[str, Any]) -> None:
        request = self.request
        row = {
            "key": request_id,
            "line": request.line,
            "client": request.client or "",
            "digest": request.digest,
            "raw_digest": self.raw_digest if request.key is None else None,
            "message_id": body["message_id"],
            "answer": body,
            "created_at": tx.now,
        }
        tx.execute(insert(command), [row])

    def _expires_at(self, now: datetime) -> datetime | None:
        if self.request.expires_at is not None or self.request.ttl is None:
            return self.request.expires_at
        return now + timedelta(seconds=self.request.ttl)


_MINE = select(command).where(command.c.line == bindparam("here"), command.c.client == bindparam("by"))
_BY_KEY = _MINE.where(command.c.key == bindparam("asked"))
_BY_BYTES = (
    _MINE.where(
        command_has_no_key, command.c.raw_digest == bindparam("asked"), command.c.created_at >= bindparam("since")
    )
    .order_by(command.c.created_at.desc())
    .limit(1)
)
