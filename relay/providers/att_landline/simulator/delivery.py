"""One web hook's delivery: the request, and the seven seconds it has (Landline document, Retry Logic)."""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp

from relay.providerkit.simulated import World
from relay.providers.att_landline.simulator.modes import LandlineModes
from relay.providers.att_landline.simulator.webhooks import WebHook

_HEADERS = {"Content-Type": "application/json; charset=UTF-8", "User-Agent": "Jakarta Commons-HttpClient/3.1"}


@dataclass(slots=True)
class Delivery:
    """One event on its way to one web hook; the payload is as it was when the event happened."""

    hook: WebHook
    payload: dict[str, Any]
    since: float
    attempts: int = 0
    rerouted: bool = False

    def facts(self) -> dict[str, Any]:
        """For the ledger."""
        return {
            "service": "att-landline",
            "line": self.hook.line,
            "event": self.hook.event,
            "message_id": str(self.payload["id"]),
            "status_code": self.payload["statusCode"],
            "webhook_id": self.hook.id,
            "url": self.hook.url,
            "attempt": self.attempts,
        }


class Courier:
    """Makes the requests, while `run` runs."""

    def __init__(self, world: World, modes: LandlineModes) -> None:
        self._world = world
        self._modes = modes
        self._session: aiohttp.ClientSession
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Be open for business, until cancelled; what is under way then is cancelled too."""
        connector = aiohttp.TCPConnector(limit=0)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session, asyncio.TaskGroup() as group:
            self._session, self._group = session, group
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Let `work` go on beside everything else; None, and it is dropped, while this does not run."""
        if self._group is None:
            work.close()
            return None
        return self._group.create_task(work)

    async def try_once(self, delivery: Delivery) -> bool:
        """Make one attempt, and write it down; whether the answer was a 2xx within the time."""
        delivery.attempts += 1
        result = await self._result(delivery)
        self._world.ledger.record("hook", {**delivery.facts(), "result": result})
        return isinstance(result, int) and 200 <= result < 300  # noqa: PLR2004 - the class of success

    async def _result(self, delivery: Delivery) -> int | str:
        hook, body = delivery.hook, json.dumps(delivery.payload)
        # A GET carries the fields in its query; the document does not show it.
        sent: dict[str, Any] = {"data": body} if hook.method != "GET" else {"params": _query(delivery.payload)}
        timeout = aiohttp.ClientTimeout(total=self._modes.hook_timeout)
        try:
            async with self._session.request(
                hook.method, hook.url, headers=_HEADERS, allow_redirects=False, timeout=timeout, **sent
            ) as answer:
                return answer.status
        except TimeoutError:
            return "timeout"
        except (aiohttp.ClientError, OSError):
            return "no connection"


def _query(payload: dict[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in payload.items()}
