"""Between aiohttp and a simulated service: numbers its requests, and spoils those that a fault is meant for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from relay.providerkit.simulated.faults import Rule
from relay.providerkit.simulated.world import World

Handler = Callable[[web.Request], Awaitable[web.Response]]
REQUEST_NUMBER = web.RequestKey("request_number", int)  # stands in the ledger's lines as `request`
TRAP = "/_sim/trap"  # where a redirect leads: whoever follows it shows up among the violations

_PROXY_PAGE = "<html>\r\n<head><title>{0}</title></head>\r\n<body><center><h1>{0}</h1></center></body>\r\n</html>\r\n"
_GARBAGE = b'{"outbound\xff\xfeSMS": [\x00'


@dataclass(frozen=True, slots=True)
class Operations:
    """One service's operations.

    Args:
        world: where the faults are.
        service: the service's name.
        line_of: the number or short code that a request is for, None where it does not say.
    """

    world: World
    service: str
    line_of: Callable[[web.Request], Awaitable[str | None]]

    def __call__(self, operation: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """`handler`, with the faults for `operation` in front of it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            request[REQUEST_NUMBER] = next(self.world.requests)
            rule = await self._rule(operation, request)
            if rule is None:
                return await handler(request)
            facts = {"service": self.service, "operation": operation, "do": rule.do, "request": request[REQUEST_NUMBER]}
            self.world.ledger.record("fault", facts)
            return await _TROUBLES[rule.do](_Spoiled(rule, request, handler, self.world))

        return answer

    async def _rule(self, operation: str, request: web.Request) -> Rule | None:
        if not self.world.faults.rules:
            return None
        return self.world.faults.take(self.service, operation, await self.line_of(request))


@dataclass(frozen=True, slots=True)
class _Spoiled:
    """A request, the handler that would have answered it, and the rule that spoils it."""

    rule: Rule
    request: web.Request
    handler: Handler
    world: World

    async def process_if_wanted(self) -> None:
        if self.rule.processed:
            await self.handler(self.request)


async def _status(spoiled: _Spoiled) -> web.StreamResponse:
    await spoiled.process_if_wanted()
    rule = spoiled.rule
    status = rule.status or 500
    if rule.answer is not None:
        return web.json_response(rule.answer, status=status, headers=rule.headers)
    return web.Response(status=status, text=rule.body, content_type=rule.content_type, headers=rule.headers)


async def _html(spoiled: _Spoiled) -> web.StreamResponse:
    await spoiled.process_if_wanted()
    status = spoiled.rule.status or 502
    return web.Response(status=status, text=_PROXY_PAGE.format(f"{status} Bad Gateway"), content_type="text/html")


async def _garbage(spoiled: _Spoiled) -> web.StreamResponse:
    await spoiled.process_if_wanted()
    return web.Response(status=spoiled.rule.status or 200, body=_GARBAGE, content_type="application/json")


async def _truncate(spoiled: _Spoiled) -> web.StreamResponse:
    whole = await spoiled.handler(spoiled.request)
    body = whole.body if isinstance(whole.body, bytes) else b""
    partial = web.StreamResponse(status=whole.status, headers={"Content-Type": whole.content_type})
    partial.content_length = len(body)
    await partial.prepare(spoiled.request)
    await partial.write(body[: len(body) // 2])
    if spoiled.request.transport:
        spoiled.request.transport.close()
    return partial


async def _cut_before(spoiled: _Spoiled) -> web.StreamResponse:
    return _cut(spoiled.request)


async def _cut_after(spoiled: _Spoiled) -> web.StreamResponse:
    await spoiled.handler(spoiled.request)
    return _cut(spoiled.request)


def _cut(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)


async def _delay(spoiled: _Spoiled) -> web.StreamResponse:
    rule = spoiled.rule
    early = await spoiled.handler(spoiled.request) if rule.processed else None
    await (asyncio.sleep(rule.seconds) if rule.real else spoiled.world.clock.sleep(rule.seconds))
    return early or await spoiled.handler(spoiled.request)


async def _retry_after(spoiled: _Spoiled) -> web.StreamResponse:
    await spoiled.process_if_wanted()
    after = spoiled.rule.after
    header = after if isinstance(after, str) else f"{after:g}"
    return web.Response(status=spoiled.rule.status or 429, headers={"Retry-After": header})


async def _redirect(spoiled: _Spoiled) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": str(spoiled.request.url.origin()) + TRAP})


_TROUBLES: Mapping[str, Callable[[_Spoiled], Awaitable[web.StreamResponse]]] = {
    "status": _status,
    "html": _html,
    "garbage": _garbage,
    "truncate": _truncate,
    "cut-before": _cut_before,
    "cut-after": _cut_after,
    "delay": _delay,
    "retry-after": _retry_after,
    "redirect": _redirect,
}
