"""The simulated SMS API: its routes, and from a request to an answer."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from relay.providerkit.simulated import REQUEST_NUMBER, Operations, World
from relay.providers.att_sms.simulator.errors import SmsError
from relay.providers.att_sms.simulator.inbox import Inbox
from relay.providers.att_sms.simulator.modes import SmsModes
from relay.providers.att_sms.simulator.outbox import FINAL, Outbox
from relay.providers.att_sms.simulator.sending import read_send
from relay.providers.att_sms.simulator.shapes import inbox_body, sent_body, status_body
from relay.providers.att_sms.simulator.throttle import Throttle
from relay.providers.att_sms.simulator.tokens import SmsAccount, Tokens

_DEMO = {"app_key": "demo-key", "app_secret": "demo-secret", "short_code": "12345", "registration_id": "12345"}

Handler = Callable[[web.Request], Awaitable[web.Response]]
StreamHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
AccountHandler = Callable[[web.Request, SmsAccount], Awaitable[web.Response]]


class SmsService:
    """Version 3 of AT&T's SMS API, for polling.

    Raises ValueError where an account is not one.
    """

    name = "att-sms"

    def __init__(self, world: World) -> None:
        self.modes = SmsModes()
        self._world = world
        accounts = [SmsAccount.of(account) for account in world.accounts.get(self.name, [_DEMO])]
        self._tokens = Tokens(world, {account.app_key: account for account in accounts}, self.modes)
        self._outbox = Outbox(world, self.modes)
        self._throttle = Throttle(world, self.modes)
        self._registered = {account.registration_id: account for account in accounts}
        self._inboxes = {account.registration_id: Inbox(world, account.short_code) for account in accounts}
        for account in accounts:
            world.handset.register(account.short_code, self.name, self._inboxes[account.registration_id].receive)

    def routes(self) -> list[web.RouteDef]:
        """OpenAPI of version 3, `paths`."""
        operations = Operations(self._world, self.name, self._tokens.line_of)
        poll = operations("inbox", self._checked("inbox", self._poll))
        outbox = "/sms/v3/messaging/outbox"
        return [
            web.post("/oauth/v4/token", operations("token", self._tokens.issue)),
            web.post(outbox, operations("send", self._checked("send", self._send))),
            web.get(outbox + "/{id}", operations("status", self._checked("status", self._status)), allow_head=False),
            web.get("/sms/v3/messaging/inbox/{id}", self._watched(poll), allow_head=False),
        ]

    async def run(self) -> None:
        """There is no background work: what becomes of a text follows from when it is asked."""

    def act(self, action: str, facts: Mapping[str, Any]) -> None:
        """`expire-tokens`: access tokens; `revoke-tokens`: refresh tokens too."""
        actions = {"expire-tokens": self._tokens.expire, "revoke-tokens": self._tokens.revoke}
        if action not in actions or facts:
            raise ValueError(f"`do` is to be one of {', '.join(actions)}, without anything more")
        actions[action]()

    def _checked(self, operation: str, handler: AccountHandler) -> Handler:
        """`handler`, for requests that hold a good token; what it raises is answered in AT&T's envelope."""

        async def answer(request: web.Request) -> web.Response:
            if "Content-Type" not in request.headers:
                self._world.violations.record(self.name, operation, "no Content-Type; it is required, on GET too")
            try:
                return await handler(request, self._tokens.holder(request))
            except SmsError as error:
                facts = {"operation": operation, "status": error.status, "code": error.code}
                self._record("refused", request, facts)
                return error.answer(self.modes.errors)

        return answer

    async def _send(self, request: web.Request, account: SmsAccount) -> web.Response:
        self._throttle.check()
        if request.content_type != "application/json":
            raise SmsError(400, "SVC0002", "Content-Type")
        try:
            asked = read_send(await request.json(), self._world)
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SmsError(400, "SVC0002", "body") from error
        sent = self._outbox.accept(account.short_code, asked.numbers, tracked=not asked.notify)
        for copy in sent.copies:
            facts = {"to": copy.number, "message_id": sent.message_id, "ref": copy.ref, "text": asked.text}
            self._record("accepted", request, {"line": account.short_code, **facts})
        return web.json_response(sent_body(sent, notify=asked.notify), status=201)

    async def _status(self, request: web.Request, account: SmsAccount) -> web.Response:
        message_id = request.match_info["id"]
        told = self._outbox.tell(message_id, account.short_code)
        if told is None:
            raise self._unknown(message_id)
        sent, rows = told
        for copy, status in rows:
            facts = {"to": copy.number, "message_id": message_id, "ref": copy.ref, "status": status}
            self._record("status", request, {"line": sent.line, **facts, "final": status in FINAL})
        return web.json_response(status_body(sent, rows, self.modes))

    def _unknown(self, message_id: str) -> SmsError:
        if self._outbox.was_told(message_id):
            self._world.violations.record(self.name, "status", "asked again after the final status was told")
        if self.modes.forgotten == "404":
            return SmsError(404, "SVC0001", "RequestIdentifier")
        return SmsError(400, "SVC0002", "RequestIdentifier")

    def _watched(self, poll: StreamHandler) -> StreamHandler:
        """`poll`, with an eye on polls at the same time, even while a fault delays them."""

        async def answer(request: web.Request) -> web.StreamResponse:
            inbox = self._inboxes.get(request.match_info["id"])
            if inbox is None:
                return await poll(request)
            with inbox.polled():
                return await poll(request)

        return answer

    async def _poll(self, request: web.Request, account: SmsAccount) -> web.Response:
        registration = request.match_info["id"]
        registered = self._registered.get(registration)
        if registered is None or registered.app_key != account.app_key:
            raise SmsError(404, "SVC0001", "RegistrationID")
        inbox = self._inboxes[registration]
        texts, pending = inbox.take(self.modes.batch)
        unique = self.modes.message_ids == "unique"
        batch = [(f"msg-{text.id}" if unique else f"msg{place}", text) for place, text in enumerate(texts)]
        for shown, text in batch:
            facts = {"from": text.sender, "text": text.text, "id": text.id, "message_id": shown}
            self._record("handed-out", request, {"line": registered.short_code, **facts})
        return web.json_response(inbox_body(registration, registered.short_code, batch, pending, self.modes))

    def _record(self, what: str, request: web.Request, facts: Mapping[str, Any]) -> None:
        self._world.ledger.record(what, {"service": self.name, **facts, "request": request[REQUEST_NUMBER]})
