"""From a request to an answer: Send SMS, Get SMS Delivery Status, Get SMS, in the dialect that it came in."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from relay.providerkit.simulated import REQUEST_NUMBER, ApiError, World, wrong
from relay.providers.att_sms.simulator.accounts import Accounts, SmsAccount
from relay.providers.att_sms.simulator.answers import answer
from relay.providers.att_sms.simulator.arrivals import Arrivals
from relay.providers.att_sms.simulator.bodies import read_fields
from relay.providers.att_sms.simulator.dialects import Dialect
from relay.providers.att_sms.simulator.modes import SmsModes
from relay.providers.att_sms.simulator.outbox import FINAL, Copy, Outbox, Sent
from relay.providers.att_sms.simulator.receipts import Receipts
from relay.providers.att_sms.simulator.sending import Asked, read_send, short_code
from relay.providers.att_sms.simulator.shapes import inbox_body, sent_body, status_body

_SERVICE = "att-sms"
_CREATED = 201
_CORRELATORS = 10_000
StreamHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Caller:
    """A request with a good token."""

    request: web.Request
    dialect: Dialect
    app_key: str

    @property
    def number(self) -> Mapping[str, int]:
        """For the ledger's lines."""
        return {"request": self.request[REQUEST_NUMBER]}


@dataclass(slots=True)
class Outgoing:
    """Texts that the apps send."""

    world: World
    modes: SmsModes
    accounts: Accounts
    outbox: Outbox
    receipts: Receipts
    _correlated: OrderedDict[tuple[str, str], Sent] = field(default_factory=OrderedDict)

    async def send(self, caller: Caller) -> web.Response:
        """Send SMS."""
        account = self._sender(caller)
        fields = await read_fields(caller.request, caller.dialect)
        asked = read_send(fields, account.short_code, self.world)
        listener = asked.receipt.url if asked.receipt else account.delivery_url
        if asked.notify and not listener:
            raise ApiError(400, "SVC0283", "notifyDeliveryStatus")
        sent = self._repeated(account, asked) or await self._accepted(caller, account, asked, listener)
        body = sent_body(caller.dialect, sent, asked, self.modes)
        # AT&T's older dialects have been seen to answer 200.
        old = caller.dialect.body == "rest" and self.modes.shape == "served"
        return answer(body, xml=self.modes.format == "xml", status=200 if old else _CREATED)

    def _sender(self, caller: Caller) -> SmsAccount:
        accounts = self.accounts.of_app(caller.app_key)
        asked = caller.request.match_info.get("sender")
        if asked is None:
            return accounts[-1]
        for account in accounts:
            if account.short_code == short_code(asked):
                return account
        self.world.violations.record(_SERVICE, "send", "a sender that is no short code of the app's")
        raise wrong("senderAddress")

    def _repeated(self, account: SmsAccount, asked: Asked) -> Sent | None:
        honoured = self.modes.correlator and asked.correlator
        return self._correlated.get((account.short_code, asked.correlator)) if honoured else None

    async def _accepted(self, caller: Caller, account: SmsAccount, asked: Asked, listener: str) -> Sent:
        sent = self.outbox.accept(account.short_code, asked.numbers, tracked=not asked.notify)
        if asked.correlator:
            self._correlated[account.short_code, asked.correlator] = sent
        while len(self._correlated) > _CORRELATORS:
            self._correlated.popitem(last=False)
        for copy in sent.copies:
            facts = {"to": copy.number, "message_id": sent.message_id, "ref": copy.ref, "text": asked.text}
            line = {"service": _SERVICE, "line": account.short_code, "dialect": caller.dialect.name}
            self.world.ledger.record("accepted", {**line, **facts, **caller.number})
        if asked.notify:
            await self.receipts.follow(sent, listener, asked.receipt)
        return sent

    async def status(self, caller: Caller) -> web.Response:
        """Get SMS Delivery Status."""
        message_id, lines = caller.request.match_info["id"], self._lines(caller)
        told = self.outbox.tell(message_id, lines)
        if told is None:
            told = self._untold(message_id, lines)
        sent, rows = told
        for copy, status in rows:
            facts = {"to": copy.number, "message_id": message_id, "ref": copy.ref, "status": status}
            line = {"service": _SERVICE, "line": sent.line, "final": status in FINAL}
            self.world.ledger.record("status", {**line, **facts, **caller.number})
        return answer(status_body(caller.dialect, sent, rows, self.modes), xml=self.modes.format == "xml")

    def _lines(self, caller: Caller) -> frozenset[str]:
        lines = frozenset(account.short_code for account in self.accounts.of_app(caller.app_key))
        asked = caller.request.match_info.get("sender")
        return lines if asked is None else lines & {short_code(asked)}

    def _untold(self, message_id: str, lines: frozenset[str]) -> tuple[Sent, Sequence[tuple[Copy, str]]]:
        line = self.outbox.notified(message_id)
        if line in lines:
            what = "asked for the status of a message that is notified; right is one of the two"
            self.world.violations.record(_SERVICE, "status", what)
            if self.modes.notify_status == "empty":
                return Sent(message_id, str(line), ()), ()
        if self.outbox.was_told(message_id):
            self.world.violations.record(_SERVICE, "status", "asked again after the final status was told")
        if self.modes.forgotten == "404":
            raise ApiError(404, "SVC0001", "RequestIdentifier")
        raise wrong("RequestIdentifier")


@dataclass(slots=True)
class Inboxes:
    """Texts that the apps poll for."""

    world: World
    modes: SmsModes
    accounts: Accounts
    arrivals: Arrivals

    def watched(self, poll: StreamHandler) -> StreamHandler:
        """`poll`, with an eye on polls at the same time, even while a fault delays them."""

        async def watching(request: web.Request) -> web.StreamResponse:
            asked = _registration(request)
            codes = [one.short_code for one in self.accounts.by_code.values() if one.registration_id == asked]
            with self.arrivals.inbox(codes[0]).polled() if codes else nullcontext():
                return await poll(request)

        return watching

    async def poll(self, caller: Caller) -> web.Response:
        """Get SMS."""
        registration = _registration(caller.request)
        if not registration:
            self.world.violations.record(_SERVICE, "inbox", "no RegistrationID")
            raise wrong("RegistrationID")
        account = self.accounts.registered(caller.app_key, registration)
        if account is None:
            raise ApiError(404, "SVC0001", "RegistrationID")
        if account.message_url:
            self.world.violations.record(_SERVICE, "inbox", "polled a short code that is online; right is its listener")
            raise ApiError(403, "POL0001", "The short code is online")
        inbox = self.arrivals.inbox(account.short_code)
        texts, pending = inbox.take(self.modes.batch)
        unique = self.modes.message_ids == "unique"
        batch = [(f"msg-{text.id}" if unique else f"msg{place}", text) for place, text in enumerate(texts)]
        for shown, text in batch:
            facts: Mapping[str, Any] = {**text.facts(account.short_code), "message_id": shown}
            self.world.ledger.record("handed-out", {**facts, **caller.number})
        line = (registration, account.short_code)
        body = inbox_body(caller.dialect, line, batch, pending, self.modes)
        return answer(body, xml=self._is_xml(caller.dialect))

    def _is_xml(self, dialect: Dialect) -> bool:
        """The documentation's sample of OneAPI's inbox is XML, although JSON was asked for."""
        documented = dialect.body == "oneapi" and self.modes.format == "documented"
        return documented or self.modes.format == "xml"


def _registration(request: web.Request) -> str:
    return request.match_info.get("id") or request.query.get("RegistrationID", "")
