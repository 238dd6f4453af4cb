"""Simulated Landline Texting: its routes, and from a request to an answer."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web
from multidict import MultiDict

from relay.providerkit.simulated import REQUEST_NUMBER, Operations, World
from relay.providers.att_landline.simulator.actions import Actions
from relay.providers.att_landline.simulator.engine import Engine
from relay.providers.att_landline.simulator.failures import LandlineError, no_session
from relay.providers.att_landline.simulator.lines import LandlineLine, Lines
from relay.providers.att_landline.simulator.modes import LandlineModes
from relay.providers.att_landline.simulator.outbound import Outbound
from relay.providers.att_landline.simulator.sending import read_send
from relay.providers.att_landline.simulator.texts import INBOUND, Texts
from relay.providers.att_landline.simulator.webhooks import WebHooks

_DEMO = {"session": "00000000-0000-0000-0000-000000000000:1", "number": "+12065550100"}
_INBOUND_STATUS = 4

Fields = MultiDict[str]
LineHandler = Callable[[web.Request, LandlineLine, Fields], Awaitable[Any]]
HookCall = Callable[[str, Mapping[str, str]], Sequence[Mapping[str, Any]]]


class LandlineService:
    """Landline Texting: `message/send`, web hooks, and the events that they carry."""

    name = "att-landline"

    def __init__(self, world: World) -> None:
        self.modes = LandlineModes()
        self._world = world
        self._lines = Lines(world, world.accounts.get(self.name, [_DEMO]))
        self._texts = Texts(world)
        self._hooks = WebHooks()
        self._engine = Engine(world, self._hooks, self.modes)
        self._outbound = Outbound(world, self._texts, self._engine, self.modes)
        self._actions = Actions(world, self._lines, self._texts, self._engine, self._outbound)
        for number in self._lines.numbers:
            world.handset.register(number, self.name, self._receiver(self._lines.of_number(number)))

    def routes(self) -> list[web.RouteDef]:
        """Each operation, as POST with a form, and as GET with a query."""
        operations = Operations(self._world, self.name, self._line_of)
        calls: dict[str, tuple[str, LineHandler]] = {
            "/message/send": ("send", self._send),
            "/webhook/add": ("webhook-add", _hook_call(self._hooks.add)),
            "/webhook/list": ("webhook-list", _hook_call(self._hooks.list)),
            "/webhook/update": ("webhook-update", _hook_call(self._hooks.update)),
            "/webhook/delete": ("webhook-delete", _hook_call(self._hooks.delete)),
        }
        routes = []
        for path, (operation, handler) in calls.items():
            answer = operations(operation, self._checked(operation, handler))
            routes += [web.post(path, answer), web.get(path, answer, allow_head=False)]
        return routes

    async def run(self) -> None:
        """Deliver web hooks, until cancelled."""
        await self._engine.run()

    def act(self, action: str, facts: Mapping[str, Any]) -> None:
        """See Actions."""
        self._actions.do(action, facts)

    def _checked(self, operation: str, handler: LineHandler) -> Callable[[web.Request], Awaitable[web.Response]]:
        """`handler`, for requests with a good session; gives what it gives as the `response` of a success."""

        async def answer(request: web.Request) -> web.Response:
            fields = await _fields(request)
            line = self._lines.of_session(fields.get("session", ""))
            if line is None:
                self._refused(request, operation, None, "session")
                return no_session()
            try:
                return web.json_response({"response": await handler(request, line, fields), "success": True})
            except LandlineError as error:
                self._refused(request, operation, line, error.code)
                return error.answer(int(self.modes.failure_http))

        return answer

    def _refused(self, request: web.Request, operation: str, line: LandlineLine | None, code: int | str) -> None:
        facts = {"service": self.name, "line": line.number if line else None, "operation": operation, "code": code}
        self._world.ledger.record("refused", {**facts, "request": request[REQUEST_NUMBER]})

    async def _line_of(self, request: web.Request) -> str | None:
        line = self._lines.of_session((await _fields(request)).get("session", ""))
        return line.number if line else None

    async def _send(self, request: web.Request, line: LandlineLine, fields: Fields) -> Any:
        asked = read_send(fields, self._world, lenient=self.modes.dates == "lenient")
        return await self._outbound.send(line, asked, request[REQUEST_NUMBER])

    def _receiver(self, line: LandlineLine) -> Callable[[str, str], None]:
        """What takes a handset's text to `line`."""

        def receive(sender: str, body: str) -> None:
            text = self._texts.new(line.number, sender, body, INBOUND, _INBOUND_STATUS)
            facts = {"service": self.name, "line": line.number, "from": sender, "text": body, "id": str(text.id)}
            self._world.ledger.record("received", facts)
            self._lines.heed(line, sender, body)
            self._engine.emit("receive", text)

        return receive


def _hook_call(call: HookCall) -> LineHandler:
    async def answer(_request: web.Request, line: LandlineLine, fields: Fields) -> Any:
        return call(line.number, fields)

    return answer


async def _fields(request: web.Request) -> Fields:
    """The fields of a query and of a form together."""
    fields = MultiDict(request.query)
    try:
        form = await request.post()
    except UnicodeDecodeError as error:
        raise web.HTTPBadRequest from error
    fields.extend((name, value) for name, value in form.items() if isinstance(value, str))
    return fields
