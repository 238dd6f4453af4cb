"""Simulated Landline Texting: its routes, and from a request to an answer."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from relay.providerkit.simulated import REQUEST_NUMBER, Operations, World
from relay.providers.att_landline.simulator.actions import Actions
from relay.providers.att_landline.simulator.attachments import Attachments
from relay.providers.att_landline.simulator.description import described
from relay.providers.att_landline.simulator.engine import Engine
from relay.providers.att_landline.simulator.failures import (
    BAD_ARGUMENTS,
    DESCRIPTIONS,
    LandlineError,
    MmsError,
    TooLarge,
    no_session,
)
from relay.providers.att_landline.simulator.forms import Form, check_form, read_form
from relay.providers.att_landline.simulator.inbound import Inbound
from relay.providers.att_landline.simulator.lines import LandlineLine, Lines
from relay.providers.att_landline.simulator.mms import read_mms
from relay.providers.att_landline.simulator.modes import LandlineModes
from relay.providers.att_landline.simulator.outbound import Outbound
from relay.providers.att_landline.simulator.sending import read_send
from relay.providers.att_landline.simulator.texts import Texts
from relay.providers.att_landline.simulator.webhooks import WebHooks

_DEMO = {
    "session": "00000000-0000-0000-0000-000000000000:1",
    "number": "+12065550100",
    "username": "2065550100",
    "password": "demo-password",
}

LineHandler = Callable[[web.Request, LandlineLine, Form], Awaitable[Any]]
FormCall = Callable[[str, Mapping[str, str]], Any]


class LandlineService:
    """Landline Texting: texts and MMS out, web hooks and the events that they carry, attachments, sessions."""

    name = "att-landline"

    def __init__(self, world: World) -> None:
        self.modes = LandlineModes()
        self._world = world
        self._lines = Lines(world, world.accounts.get(self.name, [_DEMO]))
        texts = Texts(world)
        self._attachments = Attachments(world, texts)
        self._hooks = WebHooks()
        self._engine = Engine(world, self._hooks, self.modes)
        self._outbound = Outbound(world, texts, self._attachments, self._engine, self.modes)
        inbound = Inbound(world, self._lines, texts, self._attachments, self._engine, self.modes)
        self._actions = Actions(world, self._lines, texts, self._engine, inbound, self._outbound)
        for number in self._lines.numbers:
            line = self._lines.of_number(number)
            world.handset.register(number, self.name, partial(inbound.receive, line))

    def routes(self) -> list[web.RouteDef]:
        """Each operation, as POST with a form, and as GET with a query; files only as POST."""
        operations = Operations(self._world, self.name, self._line_of)
        handlers: dict[str, tuple[str, LineHandler]] = {
            "/message/send": ("send", self._send),
            "/messaging/send": ("mms", self._send_mms),
            "/messageAttachment/list": ("attachments", _with_fields(self._attachments.list)),
            "/hostedContent/get": ("content", _with_fields(self._attachments.get)),
            "/webhook/add": ("webhook-add", self._add_hook),
            "/webhook/list": ("webhook-list", _with_fields(self._hooks.list)),
            "/webhook/update": ("webhook-update", _with_fields(self._hooks.update)),
            "/webhook/delete": ("webhook-delete", _with_fields(self._hooks.delete)),
            "/user/logout": ("logout", self._log_out),
        }
        answers = {path: (name, self._checked(name, handler)) for path, (name, handler) in handlers.items()}
        answers["/user/login"] = ("login", self._log_in)
        routes = []
        for path, (operation, handler) in answers.items():
            answer = operations(operation, _answering_nonsense(handler))
            routes.append(web.post(path, answer))
            if operation != "mms":
                routes.append(web.get(path, answer, allow_head=False))
        return routes

    async def run(self) -> None:
        """Deliver web hooks, until cancelled."""
        await self._engine.run()

    def act(self, action: str, facts: Mapping[str, Any]) -> None:
        """See Actions."""
        self._actions.do(action, facts)

    def describe(self) -> Mapping[str, Any]:
        """This service's part of an OpenAPI description: its `paths`."""
        return described()

    def _checked(self, operation: str, handler: LineHandler) -> Callable[[web.Request], Awaitable[web.Response]]:
        """`handler`, for requests with a good session; gives what it gives as the `response` of a success."""

        async def answer(request: web.Request) -> web.Response:
            form = await read_form(request)
            check_form(self._world, operation, request, form)
            line = self._lines.of_session(form.fields.get("session", ""))
            if line is None:
                self._refused(request, operation, None, "session")
                return no_session()
            try:
                response = await handler(request, line, form)
            except (LandlineError, MmsError, TooLarge) as error:
                self._refused(request, operation, line, getattr(error, "code", type(error).__name__))
                return _spoken(operation, error).answer(int(self.modes.failure_http))
            return response if isinstance(response, web.Response) else self._success(operation, response)

        return answer

    def _success(self, operation: str, response: Any) -> web.Response:
        is_hook = operation.startswith("webhook") and isinstance(response, list) and len(response) == 1
        if is_hook and self.modes.hook_answers == "object":
            response = response[0]
        return web.json_response({"response": response, "success": True})

    def _refused(self, request: web.Request, operation: str, line: LandlineLine | None, code: int | str) -> None:
        facts = {"service": self.name, "line": line.number if line else None, "operation": operation, "code": code}
        self._world.ledger.record("refused", {**facts, "request": request[REQUEST_NUMBER]})

    async def _line_of(self, request: web.Request) -> str | None:
        try:
            session = (await read_form(request)).fields.get("session", "")
        except (web.HTTPRequestEntityTooLarge, web.HTTPBadRequest):
            session = request.query.get("session", "")
        line = self._lines.of_session(session)
        return line.number if line else None

    async def _send(self, request: web.Request, line: LandlineLine, form: Form) -> Any:
        asked = read_send(form.fields, self._world, self.modes)
        return await self._outbound.send(line, asked, request[REQUEST_NUMBER])

    async def _send_mms(self, request: web.Request, line: LandlineLine, form: Form) -> Any:
        asked = read_mms(form, self._world, enabled=self.modes.mms)
        return await self._outbound.send_mms(line, asked, request[REQUEST_NUMBER])

    async def _add_hook(self, _request: web.Request, line: LandlineLine, form: Form) -> Any:
        answer = self._hooks.add(line.number, form.fields)
        facts = {"service": self.name, "line": line.number, "event": form.fields["event"]}
        self._world.ledger.record("hook-added", facts)
        return answer

    async def _log_in(self, request: web.Request) -> web.Response:
        if self.modes.login == "off":
            raise web.HTTPNotFound
        form = await read_form(request)
        check_form(self._world, "login", request, form)
        found = self._lines.log_in(form.fields.get("username", ""), form.fields.get("password", ""))
        if found is None:
            self._refused(request, "login", None, "login")
            return web.json_response({"response": None, "success": False}, status=int(self.modes.bad_login_http))
        return web.json_response({"response": found[1], "success": True})

    async def _log_out(self, _request: web.Request, _line: LandlineLine, form: Form) -> Any:
        self._lines.log_out(form.fields["session"])
        return True


def _with_fields(call: FormCall) -> LineHandler:
    async def answer(_request: web.Request, line: LandlineLine, form: Form) -> Any:
        return call(line.number, form.fields)

    return answer


def _answering_nonsense(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return TooLarge().answer(413)
        except web.HTTPBadRequest:
            return LandlineError(BAD_ARGUMENTS).answer(400)

    return answer


def _spoken(operation: str, error: LandlineError | MmsError | TooLarge) -> LandlineError | MmsError | TooLarge:
    """messaging/send has descriptions where message/send has codes."""
    if operation == "mms" and isinstance(error, LandlineError):
        return MmsError(DESCRIPTIONS[error.code])
    return error
