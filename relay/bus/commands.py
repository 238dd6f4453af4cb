"""bytes -> command: what a client asked for, or the problem that it is answered with; whatever the bytes."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from relay.bus.bodies import (
    AboutBody,
    Body,
    ListBody,
    MailBody,
    ReplayBody,
    SendBody,
    UpdateBody,
    explain,
    usable_id,
    usable_metadata,
    usable_ref,
)
from relay.bus.delivery import Delivery
from relay.bus.payloads import valid_traceparent
from relay.bus.requests import (
    Asked,
    BadCommand,
    CancelCommand,
    CheckCommand,
    Command,
    CommandRules,
    DeleteCommand,
    GetCommand,
    ListCommand,
    LookupCommand,
    ReplayCommand,
    SendCommand,
    UpdateCommand,
)
from relay.domain.addresses import Address, AddressKind, InvalidAddress, outbound
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import Media, Reply, SendRequest
from relay.domain.schedule import full_second

BodyT = TypeVar("BodyT", bound=BaseModel)

# `json.dumps` with arguments makes one at each call.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_LONGEST_ADDRESS = 320
_LONGEST_EXPIRY = 366 * 86_400  # seconds; a longer one says nothing, and could leave the calendar


def read_command(delivery: Delivery, now: datetime, rules: CommandRules | None = None) -> Command:
    """What a delivery asks for. Never raises, whatever it holds.

    Args:
        delivery: the command as it came.
        now: from when `ttl` and the broker's Message Expiry Interval are counted here.
        rules: the limits.
    """
    reading = _Reading(delivery, now, rules or CommandRules())
    try:
        return reading.command()
    except _Bad as bad:
        return reading.bad(bad.problem)


def unanswered(delivery: Delivery, now: datetime, problem: Problem) -> BadCommand:
    """A delivery whose command cannot be done, whatever it asks for. Never raises, whatever it holds."""
    reading = _Reading(delivery, now, CommandRules())
    with suppress(_Bad):
        reading.parse()
    return reading.bad(problem)


class _Bad(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, detail: str, code: ErrorCode = ErrorCode.INVALID_REQUEST) -> None:
        super().__init__(detail)
        self.problem = Problem(code, detail)


@dataclass(slots=True)
class _Reading:
    """One command while it is read. `found` is the parsed payload, `digest` is equal for equal ones."""

    delivery: Delivery
    now: datetime
    rules: CommandRules
    found: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    def command(self) -> Command:
        self.parse()
        match self.delivery.verb:
            case "send" | "check":
                return self._send()
            case "cancel" | "lookup":
                return self._about_a_request()
            case "replay":
                return self._replay()
            case verb:
                return self._about_the_mailbox(verb)

    def bad(self, problem: Problem) -> BadCommand:
        """The answer's ingredients, from whatever was read before the problem was met."""
        return BadCommand(
            line=self.delivery.line,
            client=self.delivery.client,
            verb=self.delivery.verb,
            problem=problem,
            request_id=usable_id(self.found.get("id")),
            ref=usable_ref(self.found.get("ref")),
            metadata=usable_metadata(self.found.get("metadata")),
            reply=self._reply(),
        )

    def parse(self) -> None:
        payload = self.delivery.payload
        if self.delivery.oversize or len(payload) > self.rules.max_bytes:
            raise _Bad(f"a command has at most {self.rules.max_bytes} bytes", ErrorCode.TOO_LARGE)
        found = _object(payload)
        self.digest = _digest(found)
        if b"\\u0000" in payload and any("\0" in text for text in _strings(found)):
            raise _Bad("a text should not contain NUL (\\u0000)")
        self.found = found
        if self.delivery.retained:
            raise _Bad("a retained command is refused: publish it without the retain flag", ErrorCode.RETAINED_COMMAND)
        if self.delivery.misnamed:
            raise _Bad("the client level of the topic should have 1 to 64 characters: name the client, or leave it out")

    def _validated(self, model: type[BodyT]) -> BodyT:
        try:
            return model.model_validate(self.found, context={"now": self.now})
        except ValidationError as error:
            raise _Bad(explain(error, model)) from None

    def _about_a_request(self) -> CancelCommand | LookupCommand:
        body = self._validated(AboutBody)
        kind = CancelCommand if self.delivery.verb == "cancel" else LookupCommand
        return kind(self.delivery.line, self.delivery.client, body.id, body.ref, self._reply())

    def _about_the_mailbox(self, verb: str) -> Command:
        if verb == "list":
            page = self._validated(ListBody)
            return ListCommand(self._asked(page), page.limit, page.offset, page.unread)
        if verb == "update":
            change = self._validated(UpdateBody)
            return UpdateCommand(self._asked(change), change.message_id, change.is_unread)
        body = self._validated(MailBody)
        kind = GetCommand if verb == "get" else DeleteCommand
        return kind(self._asked(body), body.message_id)

    def _replay(self) -> ReplayCommand:
        body = self._validated(ReplayBody)
        until = body.until or self.now
        if until <= body.since:
            raise _Bad("`until` should come after `since`")
        return ReplayCommand(self._asked(body), body.since, until, tuple(body.kinds))

    def _asked(self, body: Body) -> Asked:
        return Asked(self.delivery.line, self.delivery.client, body.ref, self._reply())

    def _send(self) -> SendCommand | CheckCommand:
        body = self._validated(SendBody)
        recipients = _recipients(body.to, self.rules)
        request = self._request(body, tuple(address for address, _ in recipients))
        refusals = tuple(problem for _, problem in recipients)
        if self.delivery.verb == "check":
            return CheckCommand(request, refusals, duplicates=len(body.to) - len(recipients))
        return SendCommand(request, refusals, hashlib.sha256(self.delivery.payload).hexdigest())

    def _request(self, body: SendBody, to: tuple[Address, ...]) -> SendRequest:
        expires_at, ttl = self._expiry(body)
        return SendRequest(
            line=self.delivery.line,
            client=self.delivery.client,
            key=body.id,
            digest=self.digest,
            to=to,
            text=body.text if body.text and body.text.strip() else None,
            subject=body.subject,
            media=tuple(Media(each.content_type, each.filename, each.data or b"", each.file) for each in body.media),
            group=body.group,
            send_at=body.send_at,
            expires_at=expires_at,
            ttl=ttl,
            priority=body.priority,
            receipts=body.receipts,
            on_uncertain=body.on_uncertain,
            message_class=body.message_class,
            metadata=body.metadata,
            ref=body.ref,
            redelivered=self.delivery.redelivered,
            reply=self._reply(),
        )

    def _expiry(self, body: SendBody) -> tuple[datetime | None, float | None]:
        """The request's `expires_at` and `ttl`: of what it says and what the broker says, whichever ends first.

        Where neither says anything, it lives as long as the rules have it.
        """
        if body.expires_at is None and body.ttl is None and self.delivery.properties.expiry is None:
            return self.rules.unasked_end(max(body.send_at or self.now, self.now)), None
        own_end = body.expires_at or (self.now + timedelta(seconds=body.ttl) if body.ttl else None)
        brokers = self.delivery.properties.expiry
        brokers_end = None
        if brokers is not None:
            brokers_end = full_second(self.now + timedelta(seconds=min(brokers, _LONGEST_EXPIRY)))
        end = min((each for each in (own_end, brokers_end) if each), default=None)
        if body.send_at and end and body.send_at >= end:
            raise _Bad("`send_at` should come before the expiry (`expires_at`, `ttl`, Message Expiry Interval)")
        return (body.expires_at, body.ttl) if end == own_end else (end, None)

    def _reply(self) -> Reply:
        said = self.delivery.properties
        return Reply(said.response_topic, said.correlation, valid_traceparent(said.traceparent))


def _recipients(texts: list[str], rules: CommandRules) -> list[tuple[Address, Problem | None]]:
    """Each recipient once, in the order given, with what is wrong with it."""
    if len(texts) > rules.max_recipients:
        raise _Bad(f"`to` should have at most {rules.max_recipients} recipients")
    found: dict[Address, Problem | None] = {}
    for position, text in enumerate(texts):
        address, problem = _recipient(position, text, rules.home_country_code)
        found.setdefault(address, problem)
    if all(found.values()):
        raise _Bad(next(problem.detail for problem in found.values() if problem), ErrorCode.INVALID_RECIPIENT)
    return list(found.items())


def _recipient(position: int, text: str, home_country_code: str) -> tuple[Address, Problem | None]:
    try:
        return outbound(text, home_country_code=home_country_code), None
    except InvalidAddress as error:
        as_given = text[:_LONGEST_ADDRESS]
        problem = Problem(ErrorCode.INVALID_RECIPIENT, f"`to[{position}]`: {error}")
        return Address(AddressKind.OTHER, as_given, as_given), problem


def _object(payload: bytes) -> dict[str, Any]:
    try:
        found = from_json(payload, allow_inf_nan=False)
    except ValueError as error:  # pydantic_core's words name the place, and show nothing of the content
        raise _Bad(f"the payload should be JSON in UTF-8: {error}", ErrorCode.INVALID_JSON) from None
    if not isinstance(found, dict):
        raise _Bad("the payload should be a JSON object")
    return found


def _digest(found: Mapping[str, Any]) -> str:
    """Equal for equal payloads, whatever the order of their fields; `ref` belongs to the asking, not to the request."""
    said = {name: value for name, value in found.items() if name != "ref" and value is not None}
    try:
        canonical = _CANONICAL.encode(said)
    except ValueError:  # 1e999 is well-formed JSON, and infinite to everybody who reads it
        raise _Bad("a number is out of range", ErrorCode.INVALID_JSON) from None
    return hashlib.sha256(canonical.encode()).hexdigest()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from _strings(each)
