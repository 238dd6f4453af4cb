"""The ceiling: what relay does, by a script that keeps nothing. aiohttp, an MQTT link, uvloop; tuned, and no more.

    python -m bench.bare out|hooks|mixed|poll|receipts BROKER_PORT PROVIDER_PORT [--link paho|codec] [--in-flight N]

It says `ready` on standard output, for `hooks` with the port, and goes on until it is killed.
"""

import argparse
import asyncio
import json
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from bench.codecbare import BareCodecLink
from bench.pahobare import PahoLink

LINE = "relay/line/alerts"
_HEADERS = {"Accept": "application/json", "Authorization": "Bearer bench"}
_OUTBOX, _INBOX = "/sms/v3/messaging/outbox", "/sms/v3/messaging/inbox/12345"


def event(kind: str, subject: str, data: dict[str, Any]) -> bytes:
    """An event as relay's are."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "/relay/line/alerts",
            "type": f"relay.{kind}.v1",
            "subject": subject,
            "time": datetime.now(UTC).isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        }
    ).encode()


class Bare:
    """The script. One text that cannot be sent ends it: its provider never fails."""

    def __init__(self, broker: int, provider: int, link: type[PahoLink | BareCodecLink], in_flight: int) -> None:
        self._base = f"http://127.0.0.1:{provider}"
        self._link = link(broker, "bare", self._command)
        self._in_flight = in_flight
        self._room = asyncio.Semaphore(in_flight)
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def open(self, filters: list[str]) -> None:
        """Connect."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=_HEADERS)
        await self._link.open(filters)

    async def out(self) -> None:
        """Commands -> calls -> results."""
        await self.open([f"{LINE}/send"])

    def _command(self, payload: bytes, ack: Callable[[], None]) -> None:
        task = asyncio.get_running_loop().create_task(self._send(payload, ack))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, payload: bytes, ack: Callable[[], None]) -> None:
        asked = json.loads(payload)
        request = {
            "address": [f"tel:{each}" for each in asked["to"]],
            "message": asked["text"],
            "notifyDeliveryStatus": False,
        }
        async with self._room:
            assert self._session is not None  # noqa: S101 - for the type checker
            async with self._session.post(self._base + _OUTBOX, json={"outboundSMSRequest": request}) as answer:
                answer.raise_for_status()
                found = await answer.json()
        sent = found["outboundSMSResponse"]["messageId"]
        copies = [{"to": each, "copy_id": str(uuid.uuid4()), "status": "submitted"} for each in asked["to"]]
        data = {"request_id": asked["id"], "message_id": sent, "outcome": "accepted", "copies": copies}
        await self._link.publish(f"{LINE}/result", event("result", sent, data))
        ack()

    async def mixed(self) -> int:
        """Both of them."""
        await self.out()
        return await self._serve()

    async def hooks(self) -> int:
        """Web hooks -> messages; gives the port. Each is answered once the broker has its message."""
        await self.open([])
        return await self._serve()

    async def _serve(self) -> int:
        app = web.Application()
        app.router.add_post("/hooks/{line}/{secret}/{event}", self._hook)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        return port

    async def _hook(self, request: web.Request) -> web.Response:
        found = await request.json()
        info = found.get("deliveryInfoNotification")
        if info is None:
            await self._link.publish(f"{LINE}/message", _message(found["SenderAddress"], found["Message"]))
        else:
            of = info["deliveryInfo"]
            await self._link.publish(f"{LINE}/receipt", _receipt(info["messageId"], of["address"]))
        return web.Response(text="kept\n")

    async def poll(self) -> None:
        """Inbox pages -> messages: the next page is fetched while the last is being published."""
        await self.open([])
        task = asyncio.create_task(self._poll())
        self._tasks.add(task)

    async def _poll(self) -> None:
        more = True
        last: asyncio.Future[Any] = asyncio.gather()
        while more:
            page = (await self._get(_INBOX))["inboundSMSMessageList"]
            await last
            last = asyncio.gather(
                *(
                    self._link.publish(f"{LINE}/message", _message(each["senderAddress"], each["message"]))
                    for each in page["inboundSMSMessage"]
                )
            )
            more = page["totalNumberOfPendingMessages"] > 0
        await last

    async def receipts(self, calls: int) -> None:
        """The statuses of so many calls, as the stub names them -> receipts; so many looks are in flight."""
        await self.open([])
        ids = iter(range(1, calls + 1))
        self._tasks |= {asyncio.create_task(self._follow(ids)) for _ in range(self._in_flight)}

    async def _follow(self, ids: Any) -> None:
        for number in ids:
            ref = f"SMS{number:016x}"
            found = await self._get(f"{_OUTBOX}/{ref}")
            infos = found["deliveryInfoList"]["deliveryInfo"]
            await asyncio.gather(
                *(self._link.publish(f"{LINE}/receipt", _receipt(ref, info["address"])) for info in infos)
            )

    async def _get(self, path: str) -> Any:
        assert self._session is not None  # noqa: S101 - for the type checker
        async with self._session.get(self._base + path) as answer:
            answer.raise_for_status()
            return await answer.json()


def _message(sender: str, text: str) -> bytes:
    message_id = str(uuid.uuid4())
    data = {"message_id": message_id, "from": sender[4:], "to": "12345", "address_kind": "e164", "text": text}
    return event("message", message_id, {**data, "media": [], "keyword": None, "duplicate_suspect": False})


def _receipt(ref: str, address: str) -> bytes:
    data = {"message_id": ref, "copy_id": str(uuid.uuid4()), "to": address[4:], "status": "delivered", "final": True}
    return event("receipt", ref, {**data, "previous": "submitted", "provider": {"status": "DeliveredToTerminal"}})


async def main() -> None:
    """Do it until killed."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("work", choices=("out", "hooks", "poll", "receipts", "mixed"))
    asked.add_argument("broker", type=int)
    asked.add_argument("provider", type=int)
    asked.add_argument("--link", choices=("paho", "codec"), default="paho")
    asked.add_argument("--in-flight", type=int, default=200)
    asked.add_argument("--calls", type=int, default=0, help="receipts: of how many calls")
    given = asked.parse_args()
    bare = Bare(given.broker, given.provider, BareCodecLink if given.link == "codec" else PahoLink, given.in_flight)
    port = 0
    match given.work:
        case "out":
            await bare.out()
        case "hooks":
            port = await bare.hooks()
        case "mixed":
            port = await bare.mixed()
        case "poll":
            await bare.poll()
        case "receipts":
            await bare.receipts(given.calls)
    os.write(1, f"ready {port}\n".encode())
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
