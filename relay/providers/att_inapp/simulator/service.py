"""Simulated In-App Messaging: its routes, and from a request to an answer."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from relay.providerkit.simulated import REQUEST_NUMBER, ApiError, OAuthClient, Operations, World
from relay.providers.att_inapp.simulator.actions import Actions
from relay.providers.att_inapp.simulator.asking import body_of
from relay.providers.att_inapp.simulator.description import described
from relay.providers.att_inapp.simulator.incoming import Incoming, Written
from relay.providers.att_inapp.simulator.mailbox import InAppAccount, Mailbox, MessageIds
from relay.providers.att_inapp.simulator.managing import Managing
from relay.providers.att_inapp.simulator.modes import InAppModes
from relay.providers.att_inapp.simulator.outgoing import Outgoing
from relay.providers.att_inapp.simulator.retrieving import Retrieving
from relay.providers.att_inapp.simulator.sending import Sender
from relay.providers.att_inapp.simulator.shapes import sent_body

_DEMO = {"app_key": "demo-inapp-key", "app_secret": "demo-inapp-secret", "number": "+12065550150"}
_SENDS, _READS = "IMMN", "MIM"
_BASE = "/myMessages/v2"
_GRACE = 60.0  # seconds in which calls may be under way that were made before the end of consent was read

Handler = Callable[[web.Request], Awaitable[web.Response]]
MailHandler = Callable[[web.Request, Mailbox], Awaitable[web.Response]]


class InAppService:
    """In-App Messaging, version 2, without push.

    Raises ValueError where an account is not one.
    """

    name = "att-inapp"

    def __init__(self, world: World) -> None:
        self.modes = InAppModes()
        self._world = world
        ids = MessageIds(self.modes)
        accounts = [InAppAccount.of(account) for account in world.accounts.get(self.name, [_DEMO])]
        self._mailboxes = {one.number: Mailbox(world, self.modes, one.number, ids.of_message) for one in accounts}
        self._retrieving = Retrieving(world, self.modes, ids)
        self._managing = Managing(world, self.modes, self._retrieving)
        self._outgoing = Outgoing(world, self.modes, ids)
        self._incoming = Incoming(world, self.modes)
        self._actions = Actions(world, self._mailboxes, self._outgoing, self._incoming)
        self._told_of_end: dict[str, float] = {}
        for account in accounts:
            self._open(account)

    def _open(self, account: InAppAccount) -> None:
        scopes = frozenset((_SENDS, _READS))
        app = OAuthClient(account.app_key, account.app_secret, self.name, scopes, (account.number,))
        self._world.oauth.register(app, self.modes)
        mailbox = self._mailboxes[account.number]

        def receive(sender: str, text: str) -> None:
            self._incoming.receive(mailbox, Written(sender, text))

        self._world.handset.register(account.number, self.name, receive)

    def routes(self) -> list[web.RouteDef]:
        """OpenAPI of In-App Messaging, `paths`, and what published clients call besides."""
        operations = Operations(self._world, self.name, self._world.oauth.line_of)
        reading, managing = self._retrieving, self._managing
        calls: tuple[tuple[str, str, str, str, MailHandler], ...] = (
            ("POST", "/messages", "send", _SENDS, self._send),
            ("POST", "/messages/index", "index", _READS, reading.create_index),
            ("GET", "/messages/index/info", "index-info", _READS, reading.index_info),
            ("GET", "/messages", "list", _READS, reading.list),
            ("PUT", "/messages", "update-many", _READS, managing.update_many),
            ("DELETE", "/messages", "delete-many", _READS, managing.delete_many),
            ("GET", "/messages/{id}", "get", _READS, reading.get),
            ("PUT", "/messages/{id}", "update", _READS, managing.update),
            ("DELETE", "/messages/{id}", "delete", _READS, managing.delete),
            ("GET", "/messages/{id}/parts/{part}", "part", _READS, reading.part),
            ("GET", "/delta", "delta", _READS, reading.delta),
        )
        return [
            web.route(method, _BASE + path, operations(operation, self._checked(operation, scope, handler)))
            for method, path, operation, scope, handler in calls
        ]

    async def run(self) -> None:
        """There is no background work of its own: what is to come stands on the agenda."""

    def act(self, action: str, facts: Mapping[str, Any]) -> None:
        """See Actions."""
        self._actions.do(action, facts)

    def describe(self) -> Mapping[str, Any]:
        """Its part of the simulator's OpenAPI description."""
        return described(_BASE)

    def _checked(self, operation: str, scope: str, handler: MailHandler) -> Handler:
        """`handler`, for requests that hold a good token; what it raises is answered in AT&T's envelope."""

        async def answer(request: web.Request) -> web.Response:
            line: str | None = None
            try:
                mailbox = self._mailbox(request, scope, operation)
                line = mailbox.number
                return await handler(request, mailbox)
            except ApiError as error:
                facts = {"operation": operation, "status": error.status, "code": error.code}
                facts |= {"request": request[REQUEST_NUMBER]}
                self._world.ledger.record("refused", {"service": self.name, "line": line, **facts})
                return error.answer(self.modes.errors)

        return answer

    def _mailbox(self, request: web.Request, scope: str, operation: str) -> Mailbox:
        """Whose mail a request is for; raises ApiError."""
        try:
            grant = self._world.oauth.holder(request, scope, self.name, operation)
        except ApiError as error:
            if error.code == "POL0002":
                self._heed_end_of_consent(request.headers["Authorization"], operation)
            raise
        mailbox = self._mailboxes.get(grant.subscriber or "")
        if mailbox is None:
            raise ApiError(403, "POL0002", "user")
        return mailbox

    def _heed_end_of_consent(self, token: str, operation: str) -> None:
        """Whoever has been told that consent ended is not to call with that token again."""
        told = self._told_of_end.setdefault(token, self._world.now())
        if told + _GRACE < self._world.now():
            what = "a call after the subscriber's consent had ended; right is none until there is a new one"
            self._world.violations.record(self.name, operation, what)

    async def _send(self, request: web.Request, mailbox: Mailbox) -> web.Response:
        content_type = request.headers.get("Content-Type", "")
        asked = Sender(self._world, mailbox.number).read(content_type, await body_of(request))
        send_id = self._outgoing.send(mailbox, asked, request[REQUEST_NUMBER])
        status = 200 if self.modes.shape == "served" else 201
        return web.json_response(sent_body(send_id, self.modes), status=status)
