"""People who use the simulator over real HTTP, as AT&T's documents say, and a web server of theirs."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

SESSION = "00000000-0000-0000-0000-000000000000:1"


@dataclass
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    text: str
    headers: Any

    @property
    def json(self) -> Any:
        """Its body, parsed."""
        return json.loads(self.text)


async def read(answer: Any) -> Answer:
    """Wait for an aiohttp request, and read its answer."""
    async with answer as response:
        return Answer(response.status, await response.text(), response.headers)


@dataclass
class SmsUser:
    """Somebody with the demo's short code, who follows the documents."""

    http: aiohttp.ClientSession
    token: str = ""

    async def sign_in(self, **changes: str) -> Answer:
        """Ask for a token, and use it from now on if there is one."""
        form = {"client_id": "demo-key", "client_secret": "demo-secret", "grant_type": "client_credentials"}
        answer = await read(self.http.post("/oauth/v4/token", data={**form, "scope": "SMS", **changes}))
        if answer.status == 200:
            self.token = answer.json["access_token"]
        return answer

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    async def call(self, method: str, path: str, **more: Any) -> Answer:
        """Make any request; its headers are added to those of every request."""
        headers = {**self.headers, **more.pop("headers", {})}
        url = URL(str(self.http._base_url).rstrip("/") + path, encoded=True)
        return await read(self.http.request(method, url, headers=headers, **more))

    async def send(self, *addresses: Any, message: Any = "hello", **more: Any) -> Answer:
        """Send to addresses; what is not an address yet becomes `tel:` and that."""
        body = {"outboundSMSRequest": {"address": list(addresses), "message": message, **more}}
        return await self.post(json.dumps(body))

    async def post(self, body: str) -> Answer:
        """Send exactly this."""
        return await read(self.http.post("/sms/v3/messaging/outbox", data=body, headers=self.headers))

    async def sent(self, *numbers: str) -> str:
        """Send to numbers; gives the message id."""
        answer = await self.send(*(f"tel:{number}" for number in numbers))
        message_id: str = answer.json["outboundSMSResponse"]["messageId"]
        return message_id

    async def status(self, message_id: str) -> Answer:
        """Ask for delivery status."""
        return await read(self.http.get(f"/sms/v3/messaging/outbox/{message_id}", headers=self.headers))

    async def statuses(self, message_id: str) -> list[str]:
        """The delivery statuses alone, as documented."""
        infos = (await self.status(message_id)).json["deliveryInfoList"]["deliveryInfo"]
        return [info["deliveryStatus"] for info in infos]

    async def poll(self, registration: str = "12345") -> Answer:
        """Fetch the inbox."""
        return await read(self.http.get(f"/sms/v3/messaging/inbox/{registration}", headers=self.headers))


@dataclass
class LandlineUser:
    """Somebody with the demo's landline number."""

    http: aiohttp.ClientSession

    async def call(self, path: str, *fields: tuple[str, str], session: str = SESSION) -> Answer:
        """POST a form."""
        return await read(self.http.post(path, data=[("session", session), *fields]))

    async def send(self, *contacts: str, body: str = "hello", **more: str) -> Answer:
        """message/send."""
        fields = [("contacts", contact) for contact in contacts]
        return await self.call("/message/send", *fields, ("body", body), *more.items())

    async def sent(self, number: str) -> str:
        """Send to one number; gives the message id."""
        message_id: str = (await self.send(number)).json["response"]["tokens"][0]["message"]
        return message_id

    async def hook(self, event: str, url: str, method: str = "POST") -> int:
        """Install a web hook; gives its id."""
        fields = (("type", "message"), ("event", event), ("url", url), ("method", method))
        hook: int = (await self.call("/webhook/add", *fields)).json["response"][0]["webhookId"]
        return hook


@dataclass
class Listener:
    """A web server that takes web hooks, and answers as it is told."""

    url: str = ""
    status: int = 200
    silent: bool = False
    refused_path: str = ""
    heard: list[tuple[str, str, Any]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        """Take one: its method, its path, and its fields."""
        fields = dict(request.query) if request.method == "GET" else await request.json()
        self.heard.append((request.method, request.path, fields))
        self.arrived.set()
        if self.silent:
            await asyncio.Event().wait()
        return web.Response(status=500 if request.path == self.refused_path else self.status)

    def codes(self, path: str = "/progress") -> list[int]:
        """The status codes that came to a path, in the order of their coming."""
        return [fields["statusCode"] for _, where, fields in self.heard if where == path]
