"""A daemon's control socket and somebody at it, for the tests of both of its sides."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from structlog.testing import capture_logs

from relay.bus.requests import CommandRules
from relay.consent import Consents
from relay.control import Controls, ControlServer
from relay.control.evidence import evidence_of
from relay.domain.messages import RawAnswer
from relay.hookaddresses import hook_addresses, hook_prefix
from relay.intake import Intake
from relay.mediastore import MediaStore
from relay.people import People
from relay.stages.leftovers import Leftovers
from relay.webhooks import HookKeeper, Webhooks
from tests.unit.consenting import DESK as CONSENTING
from tests.unit.consenting import Desk
from tests.unit.stages.house import ALERTS, ALICE, OFFICE, TEXT, House

PATIENCE = 5.0
PUBLIC = "http://127.0.0.1:9"
OWN = "+12065550100"  # a line's
REDIRECT = f"{PUBLIC}/consent/{CONSENTING}/secret-0123456789"


@dataclass
class Counter:
    """A daemon's socket and somebody at it."""

    house: House
    path: Path
    server: ControlServer
    http: aiohttp.ClientSession
    consents: Consents
    subscriber: Desk

    async def command(self, **more: Any) -> tuple[int, Any]:
        """Ask for a send, or something else: HTTP status and body."""
        return await self.post("/command", **{"line": ALERTS, "verb": "send", "payload": ORDER, **more})

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        """Have something done: HTTP status and body."""
        async with self.http.post(f"http://relay{path}", json=body) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> Any:
        """A question's answer."""
        async with self.http.get(f"http://relay{path}") as answer:
            assert answer.status == 200
            return await answer.json()


ORDER = {"id": "order-1", "to": ALICE, "text": TEXT}


def controls(house: House, subscriber: Desk) -> Controls:
    """Everything that a socket may ask."""
    store = MediaStore(
        house.folder / "media", house.journal, house.clock, inline_max=1, max_part=1, lifetime=1, address=PUBLIC
    )
    alerts, office = house.sms(), house.landline()
    wanted = hook_addresses([PUBLIC], OFFICE, "secret-0123456789", ("receive", "send"))
    keeper = HookKeeper(office, wanted, [hook_prefix(PUBLIC, OFFICE)], journal=house.journal, node="n1")
    redirects = {CONSENTING: REDIRECT}
    return Controls(
        take=Intake({ALERTS: alerts}, house.journal, house.clock, CommandRules(), store).take,
        status=lambda: _status(house),
        replay=Leftovers({ALERTS: alerts}, house.ground).replay,
        journal=house.journal,
        people=People(house.journal, store, {OWN}),
        lines=(ALERTS,),
        webhooks=Webhooks({OFFICE: keeper}, {ALERTS: [("message", "/hooks/alerts/x/message")]}),
        consents=Consents({CONSENTING: subscriber}, redirects, journal=house.journal, board=house.board),
        clock=house.clock,
        evidence={ALERTS: evidence_of(alerts)},
    )


async def opened(folder: Path, stack: AsyncExitStack, **limits: int) -> Counter:
    """A daemon's socket; it is closed with `stack`."""
    stack.enter_context(capture_logs())
    house = await House.built(folder, stack, **limits)
    subscriber, path = Desk(house.clock), folder / "control.sock"
    asking = controls(house, subscriber)
    server = await stack.enter_async_context(ControlServer(path, asking))
    connector, patience = aiohttp.UnixConnector(str(path)), aiohttp.ClientTimeout(PATIENCE)
    http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, timeout=patience))
    return Counter(house, path, server, http, asking.consents, subscriber)


async def _status(house: House) -> dict[str, Any]:
    return {"node": "n1", "lines": {line: health.as_body() for line, health in house.board.all().items()}}


async def set_aside(desk: Counter, body: bytes) -> str:
    """Something that could not be read; its id."""
    kept = await desk.house.journal.raw.keep(ALERTS, "inbox", "", "", RawAnswer(body, "application/json"))
    await desk.house.journal.raw.set_aside(kept, "it is no page")
    found: str = (await desk.get("/dead"))[-1]["id"]
    return found
