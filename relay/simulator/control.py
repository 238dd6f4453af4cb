"""The control API below `/_sim/`: scripts faults, texts as a handset, changes modes, reads ledger and violations."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from relay.providerkit.simulated import Modes, Overrun, Rule, SimulatedService, World
from relay.providerkit.simulated.operations import TRAP
from relay.simulator.openapi import document


@dataclass(frozen=True, slots=True)
class Control:
    """The control API over a world and its services. What a request gets wrong is answered 400 with `error`."""

    world: World
    services: Mapping[str, SimulatedService]

    def routes(self) -> list[web.RouteDef]:
        """The API's routes."""
        return [
            web.post("/_sim/faults", self._add_faults),
            web.get("/_sim/faults", self._list_faults),
            web.delete("/_sim/faults", self._clear_faults),
            web.post("/_sim/handset", self._text),
            web.get("/_sim/ledger", self._ledger),
            web.get("/_sim/violations", self._violations),
            web.delete("/_sim/violations", self._clear_violations),
            web.get("/_sim/state", self._state),
            web.post("/_sim/state", self._change_state),
            web.get("/_sim/health", self._health),
            web.get("/_sim/openapi.json", self._description),
            web.route("*", TRAP, self._trap),
        ]

    async def _add_faults(self, request: web.Request) -> web.Response:
        asked = await _json(request)
        try:
            rules = [Rule.model_validate(rule) for rule in (asked if isinstance(asked, list) else [asked])]
        except ValueError as error:
            return _wrong(error)
        for rule in rules:
            self.world.faults.add(rule)
        return web.json_response({"rules": len(self.world.faults.rules)}, status=201)

    async def _list_faults(self, _request: web.Request) -> web.Response:
        return web.json_response([rule.model_dump(by_alias=True) for rule in self.world.faults.rules])

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self.world.faults.clear()
        return web.Response(status=204)

    async def _text(self, request: web.Request) -> web.Response:
        asked = await _object(request)
        try:
            sender, to, text = (_string(asked, name) for name in ("from", "to", "text"))
            service = self.world.handset.text(sender, to, text)
        except ValueError as error:
            return _wrong(error)
        except LookupError as error:
            return web.json_response({"error": str(error)}, status=404)
        return web.json_response({"service": service}, status=202)

    async def _ledger(self, request: web.Request) -> web.Response:
        try:
            lines = self.world.ledger.lines(int(request.query.get("since", "0")))
        except Overrun as error:
            return web.json_response({"error": str(error)}, status=410)
        except ValueError as error:
            return _wrong(error)
        body = "".join(json.dumps(line) + "\n" for line in lines)
        return web.Response(text=body, content_type="application/x-ndjson")

    async def _violations(self, _request: web.Request) -> web.Response:
        return web.json_response({"violations": self.world.violations.lines()})

    async def _clear_violations(self, _request: web.Request) -> web.Response:
        self.world.violations.clear()
        return web.Response(status=204)

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response({name: modes.model_dump() for name, modes in self._modes().items()})

    async def _change_state(self, request: web.Request) -> web.Response:
        asked = await _object(request)
        name = asked.get("service")
        try:
            modes = self._modes().get(name) if isinstance(name, str) else None
            if modes is None:
                raise ValueError(f"`service` is to be one of {', '.join(self._modes())}")  # noqa: TRY301 - one way out
            modes.change(_part(asked, "set"))
            if "do" in asked:
                self.services[str(name)].act(_string(asked, "do"), _part(asked, "with"))
        except (ValueError, LookupError) as error:
            return _wrong(error)
        return web.json_response(modes.model_dump())

    def _modes(self) -> dict[str, Modes]:
        return {"handset": self.world.handset.modes} | {name: one.modes for name, one in self.services.items()}

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"services": list(self.services), "now": self.world.clock.now().isoformat()})

    async def _description(self, _request: web.Request) -> web.Response:
        return web.json_response(document(self.services.values()))

    async def _trap(self, request: web.Request) -> web.Response:
        self.world.violations.record("simulator", "redirect", f"a redirect was followed with {request.method}")
        return web.Response(status=404)


async def _json(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise web.HTTPBadRequest(text=json.dumps({"error": "not JSON"}), content_type="application/json") from error


async def _object(request: web.Request) -> dict[str, Any]:
    asked = await _json(request)
    if not isinstance(asked, dict):
        raise web.HTTPBadRequest(text=json.dumps({"error": "not a JSON object"}), content_type="application/json")
    return asked


def _string(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{name}` is to be a string")
    return value


def _part(asked: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = asked.get(name) or {}
    if not isinstance(value, dict):
        raise ValueError(f"`{name}` is to be an object")  # noqa: TRY004 - a wrong value of a request
    return value


def _wrong(error: Exception) -> web.Response:
    return web.json_response({"error": str(error)}, status=400)
