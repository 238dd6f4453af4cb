"""The simulated SMS API: its routes in every dialect, and what all its requests have in common."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from relay.providerkit.simulated import REQUEST_NUMBER, ApiError, Callbacks, Operations, World
from relay.providers.att_sms.simulator.accounts import DEMO, Accounts, SmsAccount
from relay.providers.att_sms.simulator.answers import header_faults, wants_xml
from relay.providers.att_sms.simulator.arrivals import Arrivals
from relay.providers.att_sms.simulator.description import paths
from relay.providers.att_sms.simulator.dialects import DIALECTS, Dialect
from relay.providers.att_sms.simulator.modes import SmsModes
from relay.providers.att_sms.simulator.operations import Caller, Inboxes, Outgoing
from relay.providers.att_sms.simulator.outbox import Outbox
from relay.providers.att_sms.simulator.receipts import Receipts
from relay.providers.att_sms.simulator.throttle import Throttle

Handler = Callable[[web.Request], Awaitable[web.Response]]
CallerHandler = Callable[[Caller], Awaitable[web.Response]]


class SmsService:
    """AT&T's SMS API: version 3, REST version 2 and OneAPI, with polling and callbacks.

    Raises ValueError where an account is not one.
    """

    name = "att-sms"

    def __init__(self, world: World) -> None:
        self.modes = SmsModes()
        self._world = world
        self._accounts = Accounts.of(SmsAccount.of(account) for account in world.accounts.get(self.name, [DEMO]))
        self._callbacks = Callbacks(world, self.modes)
        self._throttle = Throttle(world, self.modes)
        arrivals = Arrivals(world, self._accounts, self._callbacks, self.modes)
        receipts = Receipts(world, self._callbacks, self.modes)
        self._outgoing = Outgoing(world, self.modes, self._accounts, Outbox(world, self.modes), receipts)
        self._inboxes = Inboxes(world, self.modes, self._accounts, arrivals)
        for code, account in self._accounts.by_code.items():
            world.oauth.register(account.client(self.name), self.modes)
            world.handset.register(code, self.name, partial(arrivals.receive, code))

    def routes(self) -> list[web.RouteDef]:
        """Every dialect's."""
        return [route for dialect in DIALECTS for route in self._dialect_routes(dialect)]

    def _dialect_routes(self, dialect: Dialect) -> list[web.RouteDef]:
        operations = Operations(self._world, self.name, self._world.oauth.line_of)
        send = operations("send", self._checked("send", dialect, self._send))
        status = operations("status", self._checked("status", dialect, self._outgoing.status))
        poll = operations("inbox", self._checked("inbox", dialect, self._inboxes.poll))
        return [
            web.post(dialect.send, send),
            *(web.get(path, status, allow_head=False) for path in dialect.statuses),
            web.get(dialect.inbox, self._inboxes.watched(poll), allow_head=False),
        ]

    async def _send(self, caller: Caller) -> web.Response:
        self._throttle.check_send()
        return await self._outgoing.send(caller)

    async def run(self) -> None:
        """Deliver callbacks; the rest follows from when it is asked."""
        await self._callbacks.run()

    def describe(self) -> Mapping[str, Any]:
        """Its part of an OpenAPI document."""
        return {"paths": paths()}

    def act(self, action: str, facts: Mapping[str, Any]) -> None:
        """`expire-tokens`: access tokens; `revoke-tokens`: refresh tokens too; `register`: listeners of a short code.

        `register` has `short_code`, and `message_url` or `delivery_url` or both; "" takes a listener away.
        """
        match action, bool(facts):
            case "expire-tokens", False:
                self._world.oauth.expire(self.name)
            case "revoke-tokens", False:
                self._world.oauth.revoke(self.name)
            case "register", True:
                self._accounts.register(facts)
            case _:
                raise ValueError("`do` is to be expire-tokens or revoke-tokens, with nothing more, or register")

    def _checked(self, operation: str, dialect: Dialect, handler: CallerHandler) -> Handler:
        """`handler`, for requests that hold a good token; what it raises is answered in AT&T's envelope."""

        async def answer(request: web.Request) -> web.Response:
            for what in header_faults(request):
                self._world.violations.record(self.name, operation, what)
            try:
                grant = self._world.oauth.holder(request, "SMS", self.name, operation)
                self._throttle.check_request()
                return await handler(Caller(request, dialect, grant.app_key))
            except ApiError as error:
                facts = {"operation": operation, "status": error.status, "code": error.code}
                number = {"request": request[REQUEST_NUMBER]}
                self._world.ledger.record("refused", {"service": self.name, **facts, **number})
                return error.answer(self.modes.errors, xml=wants_xml(request))

        return answer
