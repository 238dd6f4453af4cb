"""Somebody who uses the simulated In-App Messaging over real HTTP, with a subscriber's consent."""

import io
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from relay.simulator.app import Simulator
from tests.unit.simulator.people import Answer, read

NUMBER = "+12065550150"
FRIEND = "+12065550142"
BASE = "/myMessages/v2"
CLIENT = {"client_id": "demo-inapp-key", "client_secret": "demo-inapp-secret"}


@dataclass
class InAppUser:
    """Somebody with the demo's app, who follows the documents."""

    http: aiohttp.ClientSession
    token: str = ""
    refresh_token: str = field(default="", repr=False)

    async def consent(self, scope: str = "IMMN,MIM") -> Answer:
        """Have the subscriber give consent, and use the token from now on."""
        query = {"client_id": CLIENT["client_id"], "scope": scope, "redirect_uri": "http://relay.invalid/consent"}
        page = await read(self.http.get("/oauth/v4/authorize", params=query, allow_redirects=False))
        code = URL(page.headers["Location"]).query["code"]
        return await self.sign_in(grant_type="authorization_code", code=code)

    async def sign_in(self, **fields: str) -> Answer:
        """Ask for a token, and use it from now on if there is one."""
        answer = await read(self.http.post("/oauth/v4/token", data={**CLIENT, **fields}))
        if answer.status == 200:
            self.token = answer.json["access_token"]
            self.refresh_token = answer.json["refresh_token"]
        return answer

    async def call(self, method: str, path: str, **more: Any) -> Answer:
        """Make a call below the API's base; `path` is encoded already."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        url = URL(str(self.http._base_url).rstrip("/") + BASE + path, encoded=True)
        return await read(self.http.request(method, url, headers=headers, **more))

    async def send(self, *addresses: Any, text: Any = "hello", **more: Any) -> Answer:
        """Send to addresses."""
        inner = {"addresses": list(addresses), "text": text, **more}
        return await self.post(json.dumps({"messageRequest": inner}))

    async def post(self, body: str | bytes, content_type: str = "application/json") -> Answer:
        """Send exactly this."""
        data = io.BytesIO(body.encode() if isinstance(body, str) else body)
        return await self.call("POST", "/messages", data=data, headers={"Content-Type": content_type})

    async def get(self, message_id: str) -> Answer:
        """Get a message."""
        return await self.call("GET", f"/messages/{quote(message_id, safe='')}")

    async def message(self, message_id: str) -> Any:
        """The message itself."""
        return (await self.get(message_id)).json["message"]

    async def page(self, query: str = "limit=50&offset=0") -> Answer:
        """List messages."""
        return await self.call("GET", f"/messages?{query}")

    async def ids(self, query: str = "limit=50&offset=0") -> list[str]:
        """The ids of a list, in whatever shape."""
        body = (await self.page(query)).json
        (envelope,) = body.values()
        return [message["messageId"] for message in envelope["messages"]]

    async def info(self) -> Any:
        """The index's standing."""
        return (await self.call("GET", "/messages/index/info")).json["messageIndexInfo"]

    async def state(self) -> str:
        """The state of now."""
        state: str = (await self.info())["state"]
        return state

    async def delta(self, state: str) -> Answer:
        """What changed since a state."""
        return await self.call("GET", f"/delta?state={quote(state, safe='')}")

    async def changes(self, state: str) -> Any:
        """The same, without its envelope."""
        return (await self.delta(state)).json["deltaResponse"]

    async def create_index(self) -> Answer:
        """Have the index built."""
        return await self.call("POST", "/messages/index")


def texted(simulator: Simulator, *texts: str, sender: str = FRIEND, to: str = NUMBER) -> list[str]:
    """Text the subscriber from a handset; gives the ids of what came into the store."""
    before = len(_stored(simulator))
    for text in texts:
        simulator.world.handset.text(sender, to, text)
    return _stored(simulator)[before:]


def received(simulator: Simulator, **facts: Any) -> list[str]:
    """Let something come in; gives the ids of what came into the store."""
    before = len(_stored(simulator))
    simulator.act("att-inapp", "receive", {"from": FRIEND, **facts})
    return _stored(simulator)[before:]


def _stored(simulator: Simulator) -> list[str]:
    return [line["id"] for line in simulator.world.ledger.lines() if line["what"] == "stored"]


def said(simulator: Simulator, what: str) -> list[dict[str, Any]]:
    """The ledger's lines of a kind."""
    return [line for line in simulator.world.ledger.lines() if line["what"] == what]


def codes(simulator: Simulator) -> list[tuple[str, int, str]]:
    """What was refused."""
    return [(line["operation"], line["status"], line["code"]) for line in said(simulator, "refused")]


def wrongs(simulator: Simulator) -> list[str]:
    """The operations of the violations."""
    return [line["operation"] for line in simulator.world.violations.lines()]
