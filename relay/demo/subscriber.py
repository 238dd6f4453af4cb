"""The chapter of a subscriber's own number: agreement in a browser, a picture that comes in, and texts both ways."""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from pydantic_core import from_json

from relay.demo.telling import Teller
from relay.demo.trouble import Trouble
from relay.demo.world import SUBSCRIBER, World

DESK = "relay/line/desk"
FRIEND = "+12065550160"
# The smallest picture there is: one grey point, as GIF.
PICTURE = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x80\x80\x80\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)

_WITHIN = 20.0  # seconds for each step


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Plays it. Every step raises Trouble where what it waits for does not happen."""

    world: World
    tell: Teller

    async def agrees(self) -> None:
        """Relay asks for consent, the simulated browser gives it."""
        self.tell.step(f"{DESK}/status", f"the subscriber {SUBSCRIBER} was not asked yet", number=5)
        socket = self.world.folder / "relay.sock"
        async with _login(socket) as said:
            address = (await anext(said))["open"]
            async with aiohttp.ClientSession() as browser, browser.get(address) as page:
                await page.read()
            outcome = await anext(said)
        if outcome["outcome"] != "given":
            raise Trouble(f"the subscriber's consent was {outcome['outcome']}: {outcome['detail']}")
        await self._heard("status", lambda body: body.get("state") == "ready", "the line is not ready")
        self.tell.step(f"{DESK}/status", "agrees on AT&T's page (a browser is played)")

    async def gets_a_picture(self) -> None:
        """An MMS comes in, and is published whole."""
        part = {"content_type": "image/gif", "name": "grey.gif", "data": b64encode(PICTURE).decode()}
        self._act("receive", {"from": FRIEND, "text": "Look!", "parts": [part]})
        trouble = "a picture did not come in"
        heard = await self._heard("message", lambda body: body["data"]["text"] == "Look!", trouble)
        pictures = [each for each in heard["data"]["media"] if each["content_type"] == "image/gif"]
        if [each.get("data") for each in pictures] != [part["data"]]:
            raise Trouble("a picture came in and is not the one that was sent")
        self.tell.step(f"{DESK}/message", f'a friend texts "Look!" with a picture of {pictures[0]["bytes"]} bytes', 6)

    async def writes_on_the_phone(self) -> None:
        """A text that another device sends is told apart from relay's own."""
        self._act("text-from-phone", {"to": FRIEND, "text": "Nice!"})
        own = "event/sent-elsewhere"
        trouble = "a text from the subscriber's phone was not told"
        await self._heard(own, lambda body: body["data"]["text"] == "Nice!", trouble)
        self.tell.step(f"{DESK}/{own}", '"Nice!" is answered on the phone itself', number=8)

    async def _heard(self, what: str, wanted: Any, trouble: str) -> Mapping[str, Any]:
        ears, topic = self.world.ears, f"{DESK}/{what}"
        return await ears.until(
            lambda: next((heard.body for heard in ears.on(topic) if wanted(heard.body)), None), _WITHIN, trouble
        )

    def _act(self, action: str, facts: Mapping[str, Any]) -> None:
        self.world.att.act("att-inapp", action, facts)


@asynccontextmanager
async def _login(socket: Path) -> AsyncIterator[AsyncIterator[Mapping[str, Any]]]:
    """What `relay auth login desk` is told: where to go first, and then how it ended."""
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as daemon:
        asked = {"line": "desk", "timeout": _WITHIN}
        async with daemon.post("http://relay/auth/login", json=asked) as answer:
            yield _lines(answer)


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[Mapping[str, Any]]:
    async for line in answer.content:
        if line.strip():
            yield from_json(line)
