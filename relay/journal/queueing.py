"""A request, judged -> message, copies, and the calls that they will travel in, together with what waits already.

Copies of the same words to many numbers share calls, also those of several requests: the same line, lane, class,
wishes and expiry. Each keeps its own id, status and receipts.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from sqlalchemy import Text, bindparam, select, update

from relay.domain.messages import Plan, Priority, SendRequest
from relay.domain.states import State
from relay.domain.waiting import Why
from relay.journal.answers import copy_id, unnamed
from relay.journal.callrows import NewCall, add_call
from relay.journal.columns import as_json
from relay.journal.gathering import MOST_COPIES
from relay.journal.listing import listed, unpacked
from relay.journal.outgoing import content_out_of, store_message
from relay.journal.schema import call, call_takes_company, copy, copy_waits
from relay.journal.sums import copy_sum, kept_command_sum
from relay.journal.terms import Due, Judged
from relay.journal.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Queued:
    """A request that was put into the queue: its message, each copy's first state, and how many calls carry them."""

    message_id: str
    states: tuple[State, ...]
    calls: int


def store_request(
    tx: Transaction, request: SendRequest, plan: Plan, judged: Judged, *, request_id: str, expires_at: datetime | None
) -> Queued:
    """Keep a request and put its copies into the queue.

    Args:
        tx: where to.
        request: what is asked for.
        plan: how it will be sent.
        judged: what the rules say of each recipient.
        request_id: the id it is known by.
        expires_at: when what is left of it is not sent any more.
    """
    good = [place for place, refusal in enumerate(judged.refusals) if refusal is None]
    send_at = request.send_at if judged.provider_waits else None
    said = _said(tx, request, plan, expires_at)
    message_id = store_message(tx, request, request_id, said.content, open_copies=len(good), send_at=send_at)
    calls = _Calls(tx, request, plan, message_id, said.words, expires_at).carry(judged, good)
    states = tuple(
        State.FAILED if refusal else State.QUEUED if due.why is None else State.SCHEDULED
        for refusal, due in zip(judged.refusals, judged.due, strict=True)
    )
    for start in range(0, len(states), MOST_COPIES):
        some = range(start, min(start + MOST_COPIES, len(states)))
        rows = [_copy_row(tx, request, message_id, place, judged, states[place], calls) for place in some]
        tx.gathered.add_copies(rows)
        tx.write_many()
    tx.count_waiting(request.line, request.client, len(good))
    return Queued(message_id, states, len(set(calls.values())))


def bind_key(
    tx: Transaction, request: SendRequest, request_id: str, answer: Mapping[str, Any], raw_digest: str | None = None
) -> None:
    """Let an id mean this request from now on.

    Args:
        tx: where to.
        request: the request, accepted.
        request_id: its id.
        answer: what it was answered with; its `message_id` is the message's.
        raw_digest: recognises the broker's redelivery of one without an id of its own.
    """
    kept = as_json(unnamed(answer))
    row = {
        "key": request_id,
        "line": request.line,
        "client": request.client or "",
        "digest": request.digest,
        "raw_digest": raw_digest,
        "message_id": answer["message_id"],
        "answer": kept,
        "created_at": tx.now,
    }
    row["sum"] = kept_command_sum(row, kept)
    tx.gathered.add_command(row)


class _Calls:
    """The calls of one request's copies: those that wait already and have room, and new ones."""

    def __init__(
        self,
        tx: Transaction,
        request: SendRequest,
        plan: Plan,
        message_id: str,
        words: str | None,
        expires_at: datetime | None,
    ) -> None:
        self._tx = tx
        self._request = request
        self._size = plan.recipients_per_call
        self._message_id = message_id
        self._expires_at = expires_at
        self._words = words
        self._waits_for_company = (
            0.0 if request.group or request.priority is Priority.HIGH else tx.rules.of(request.line).company
        )

    def carry(self, judged: Judged, places: Sequence[int]) -> dict[int, str]:
        """The call of each copy, by the copy's place in the request."""
        if judged.provider_waits:
            self._words = None
        by_due: dict[Due, list[int]] = {}
        for place in places:
            by_due.setdefault(judged.due[place], []).append(place)
        calls: dict[int, str] = {}
        for due, here in by_due.items():
            calls |= self._carry(due, here)
        return calls

    def _carry(self, due: Due, places: list[int]) -> dict[int, str]:
        company = None if self._words is None else f"{self._words}{_when(due)}"
        calls = {} if company is None or len(places) >= self._size else self._join(company, places)
        left = [place for place in places if place not in calls]
        for start in range(0, len(left), self._size):
            some = left[start : start + self._size]
            calls |= dict.fromkeys(some, self._add(due, company, len(some)))
        return calls

    def _join(self, company: str, places: Sequence[int]) -> dict[int, str]:
        """Put copies into the call that waits for such; not those whose number another text waits for: it is first."""
        found = self._newest_of(company)
        room = 0 if found is None else self._size - found["size"]
        if found is None or room <= 0:
            return {}
        addresses = {place: self._request.to[place].value for place in places}
        busy = self._awaited(addresses.values())
        joining = [place for place in places if addresses[place] not in busy][:room]
        if joining:
            self._grow(found, len(joining), is_full=len(joining) == room)
        return dict.fromkeys(joining, found["id"])

    def _newest_of(self, company: str) -> Mapping[Any, Any] | None:
        """The newest call that waits for such; ids rise, so that one of this batch is newer than what is written."""
        line = self._request.line
        newest = self._tx.gathered.newest_of(line, company)
        if newest is not None or self._is_first(company):
            return newest
        return self._tx.beside(_COMPANY, {"here": line, "like": company}).mappings().first()

    def _is_first(self, company: str) -> bool:
        """Whether it is known that no call waits for such: none did as the batch began, and none came."""
        wanted = self._request.line, company
        return wanted in self._tx.known.get(_ALONE, ()) and not self._tx.gathered.has_formed(*wanted)

    def _awaited(self, addresses: Collection[str]) -> set[str]:
        """Those of these numbers that a text waits for."""
        line = self._request.line
        written = self._tx.beside(_BUSY, {"here": line, "some": listed(addresses)}).scalars()
        return {*written, *self._tx.gathered.awaited(line, addresses)}

    def _grow(self, found: Mapping[Any, Any], more: int, *, is_full: bool) -> None:
        """Let a call carry more copies; a full one that waits for company waits no longer."""
        change = {"size": found["size"] + more, "due_at": found["due_at"], "why": found["why"]}
        if is_full and found["why"] == Why.COMPANY.value:
            change |= {"due_at": self._tx.now, "why": None}
        if isinstance(found, dict):
            found.update(change)
        else:
            self._tx.beside(_GROW, {"this": found["id"], **change})
        self._tx.bells.add(f"calls:{self._request.line}")

    def _add(self, due: Due, company: str | None, size: int) -> str:
        at, why = due.at, due.why
        if why is None and company is not None and self._waits_for_company and size < self._size:
            at, why = at + timedelta(seconds=self._waits_for_company), Why.COMPANY
        request = self._request
        new = NewCall(
            request.line,
            self._message_id,
            request.priority.lane,
            at,
            self._expires_at,
            size=size,
            company=company,
            why=why,
        )
        return add_call(self._tx, new)


def foresee(tx: Transaction, coming: Iterable[tuple[SendRequest, Plan]]) -> None:
    """Find out for many requests at once for which of them no call waits that their copies could join."""
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    said: dict[int, _Said] = tx.known.setdefault(_SAID, {})
    for request, plan in coming:
        # When one with a `ttl` ends is known only as it is accepted; what has attachments is seldom sent to many.
        if request.ttl is None and not request.media:
            one = said[id(request)] = _Said.of(request, plan, request.expires_at)
            if one.words is not None:
                wanted[request.line].add(one.words)
    alone: set[tuple[str, str]] = tx.known.setdefault(_ALONE, set())
    for line, words_there in wanted.items():
        waiting = set(tx.beside(_COMPANIES, {"here": line, "some": listed(words_there)}).scalars())
        alone.update((line, words) for words in words_there - waiting)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a request says, as it is kept, and what is equal for those it may travel with; None: it travels alone."""

    request: SendRequest
    content: bytes
    words: str | None

    @classmethod
    def of(cls, request: SendRequest, plan: Plan, expires_at: datetime | None) -> "_Said":
        """What it says."""
        content = content_out_of(request)
        is_alone = request.group or plan.recipients_per_call == 1
        return cls(request, content, None if is_alone else _words(request, plan, content, expires_at))


def _said(tx: Transaction, request: SendRequest, plan: Plan, expires_at: datetime | None) -> _Said:
    """As it was foreseen, for this very request; else from the beginning."""
    foreseen: _Said | None = tx.known.get(_SAID, {}).pop(id(request), None)
    if foreseen is not None and foreseen.request is request and request.expires_at == expires_at:
        return foreseen
    return _Said.of(request, plan, expires_at)


def _words(request: SendRequest, plan: Plan, content: bytes, expires_at: datetime | None) -> str:
    """Equal for requests whose copies may travel together."""
    wishes = _wishes(
        request.priority.value,
        request.message_class.value,
        request.receipts,
        request.on_uncertain.value,
        plan.sent_as,
        expires_at.isoformat() if expires_at else None,
    )
    return blake2b(content + wishes, digest_size=16).hexdigest()


@lru_cache(maxsize=256)
def _wishes(*wishes: str | bool | None) -> bytes:
    """Requests are many, and their wishes few."""
    return as_json(wishes)


def _when(due: Due) -> str:
    """Copies that wait for a time travel with those that wait for the same."""
    return "" if due.why is None else due.at.isoformat()


def _copy_row(  # noqa: PLR0913, PLR0917 - a row
    tx: Transaction,
    request: SendRequest,
    message_id: str,
    place: int,
    judged: Judged,
    state: State,
    calls: Mapping[int, str],
) -> dict[str, Any]:
    address, refusal = request.to[place], judged.refusals[place]
    row = {
        "id": copy_id(message_id, place),
        "message_id": message_id,
        "call_id": calls.get(place),
        "ordinal": place,
        "line": request.line,
        "client": request.client,
        "address_kind": address.kind.value,
        "address": address.value,
        "address_raw": address.raw,
        "state": state.key,
        "ended": int(refusal is not None),
        "waits": int(refusal is None),
        "attempt": 0,
        "problem": refusal.as_body() if refusal else None,
        "changed_at": tx.now,
    }
    row["sum"] = copy_sum(row)
    return row


_COMPANY = (
    select(call.c.id, call.c.size, call.c.due_at, call.c.why)
    .where(
        call_takes_company,
        call.c.line == bindparam("here"),
        call.c.company == bindparam("like"),
        call.c.resume_at.is_(None),
    )
    .order_by(call.c.id.desc())
    .limit(1)
)
_ALONE, _SAID = "for whom no call waits", "what requests say"
_COMPANIES = select(call.c.company).where(
    call_takes_company,
    call.c.line == bindparam("here"),
    call.c.company.in_(select(unpacked(bindparam("some", type_=Text)).c.value)),
)
_GROW = (
    update(call)
    .where(call.c.id == bindparam("this"))
    .values(size=bindparam("size"), due_at=bindparam("due_at"), why=bindparam("why"))
)
_ASKED = unpacked(bindparam("some", type_=Text))
_BUSY = select(_ASKED.c.value).where(
    select(copy.c.id).where(copy_waits, copy.c.line == bindparam("here"), copy.c.address == _ASKED.c.value).exists()
)
