"""A world whose relay meets AT&T through a chaos proxy, on a line of each provider; faults come one after the other."""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
from aiohttp import web
from yarl import URL

from tests.battery.table import Row
from tests.chaosproxy import ChaosProxy, Fault
from tests.system.inhouse import DESK, agree, at_home, followed
from tests.system.ledgers import compare
from tests.system.test_landline_trouble import hooked
from tests.system.world import LINES, World

ALERTS, OFFICE, SUBSCRIBERS = "alerts", "office", "desk"
ALL = (ALERTS, OFFICE, SUBSCRIBERS)
SERVICE = {ALERTS: "att-sms", OFFICE: "att-landline", SUBSCRIBERS: "att-inapp"}
SENDING = {ALERTS: "POST /sms/", OFFICE: "POST /message/send", SUBSCRIBERS: "POST /myMessages/v2/messages"}
TIMEOUT = 1.0  # real seconds of a call
TO = "+12065550177"
WITHIN = 30.0
# AT&T has the text: what is shown of it later settles it, where there is something that shows it.
TAKEN = {ALERTS: {"uncertain"}, OFFICE: {"delivered"}, SUBSCRIBERS: {"submitted"}}
LOST = {line: {"uncertain"} for line in ALL}
SENT = {ALERTS: {"delivered", "submitted"}, OFFICE: {"delivered"}, SUBSCRIBERS: {"submitted"}}
REFUSED = {line: {"failed"} for line in ALL}

Expected = Mapping[str, set[str]]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as AT&T got it: when it came and was answered, by AT&T's clock."""

    label: str
    came: float
    answered: float
    status: int


@dataclass
class Seen:
    """Every request that reaches AT&T."""

    requests: list[Request] = field(default_factory=list)
    now: Callable[[], float] = time.time

    @web.middleware
    async def middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Aiohttp's, around every request."""
        came, status = self.now(), 0
        try:
            answer: web.StreamResponse = await handler(request)
            status = answer.status
        except web.HTTPException as error:
            status = error.status
            raise
        else:
            return answer
        finally:
            self.requests.append(Request(f"{request.method} {request.path}", came, self.now(), status))

    def of(self, label: str, since: int = 0) -> list[Request]:
        """Those that begin so."""
        return [one for one in self.requests[since:] if one.label.startswith(label)]


@dataclass
class Providers:
    """The world, the proxy before AT&T, and what was found until now."""

    made: World
    proxy: ChaosProxy
    seen: Seen
    rounds: int = 0
    lost: int = 0
    twice: int = 0
    _read: dict[str, int] = field(default_factory=dict)  # how much of what was heard, by the kind of event
    _known: set[str] = field(default_factory=set)
    _names: dict[str, str] = field(default_factory=dict)  # of requests, by message
    _first: dict[str, str] = field(default_factory=dict)  # as the answer had it
    _last: dict[str, str] = field(default_factory=dict)  # as the receipts had it

    async def crowd(self, line: str, number: int, **wishes: Any) -> list[str]:
        """Publish so many requests at once, on one connection; their ids."""
        names = []
        async with aiomqtt.Client("127.0.0.1", self.made.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            for _ in range(number):
                self.rounds += 1
                names.append(name := f"text {self.rounds} on {line}")
                request = {"id": name, "to": TO, "text": name, "receipts": True, **wishes}
                await client.publish(topic := f"relay/line/{line}/send", json.dumps(request), qos=1)
                self.made.asked.add({"what": "command", "topic": topic, "payload": request})
        return names

    async def send(self, line: str, **wishes: Any) -> str:
        """Publish a request; its id, which is its text as well."""
        [name] = await self.crowd(line, 1, **wishes)
        return name

    def status(self, name: str) -> str | None:
        """How the only copy of a request stands, as it was last told; None where it was not answered yet."""
        return self.statuses().get(name)

    def statuses(self) -> dict[str, str]:
        """How the only copy of each request stands, as it was last told."""
        # What was heard before is not gone through again: this is asked after every event.
        for event in self._fresh("relay.result.v1"):
            if event["outcome"] == "accepted":
                self._names[event["message_id"]] = event["request_id"]
            if event["message_id"] in self._names:
                self._first[event["request_id"]] = event["copies"][0]["status"]
        for event in self._fresh("relay.receipt.v1"):
            self._last[self._names[event["message_id"]]] = event["status"]
        return {**self._first, **self._last}

    def _fresh(self, kind: str) -> list[dict[str, Any]]:
        """The data of the events of a kind that were heard since this was asked last, each id once."""
        heard, known = self.made.ears.heard, self._known
        begin, self._read[kind] = self._read.get(kind, 0), len(heard)
        fresh = {event["id"]: event["data"] for _, event in heard[begin:] if event.get("type") == kind}
        new = [data for event_id, data in fresh.items() if event_id not in known]
        known |= fresh.keys()
        return new

    async def ends(self, expected: Mapping[str, set[str]], what: str) -> None:
        """Wait until each of these requests stands as expected."""

        def ended() -> bool:
            found = self.statuses()
            return all(found.get(name) in wanted for name, wanted in expected.items())

        try:
            await self.made.ears.until(ended, within=WITHIN, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}: { ({name: self.status(name) for name in expected}) }") from None

    async def on_each(self, expected: Expected, what: str, lines: Sequence[str] = ALL, **wishes: Any) -> None:
        """A text on each line, and how it stands in the end."""
        names = {await self.send(line, **wishes): expected[line] for line in lines}
        await self.ends(names, what)

    async def well(self) -> float:
        """A text on each line goes out as if nothing had ever been; after how many real seconds."""
        began = time.monotonic()
        await self.on_each(SENT, "all is well again")
        return time.monotonic() - began

    def spoil(self, do: str, line: str, operation: str = "send", **rule: Any) -> None:
        """Let AT&T itself go wrong, once if nothing else is said."""
        match = {"service": SERVICE[line], "operation": operation}
        self.made.att.world.faults.add({"match": match, "do": do, **rule})

    def disturb(self, line: str, do: Any, **how: Any) -> None:
        """Let the network go wrong at the line's next send, once if nothing else is said."""
        self.proxy.do(Fault(do, path=SENDING[line], **how))

    async def row(self, fault: str, about: str, times: int, recovered: float | None = None, note: str = "") -> Row:
        """What the ledgers say that they did not say before."""

        def nothing_is_open() -> bool:
            return compare(self.made).lost == self.lost

        with suppress(AssertionError):
            await self.made.ears.until(nothing_is_open, within=10, what="nothing is open")
        now = compare(self.made)
        lost, twice = now.lost - self.lost, now.twice - self.twice
        self.lost, self.twice = now.lost, now.twice
        assert (lost, twice) == (0, 0), f"{fault} {about}: {now}"
        return Row(fault, about, times, lost, twice, recovered, note)

    def line(self, line: str) -> dict[str, Any]:
        """What a line's status topic said last."""
        said = [body for topic, body in self.made.ears.heard if topic == f"relay/line/{line}/status"]
        return said[-1]


@asynccontextmanager
async def providers(
    folder: Path,
    free_port: Callable[[], int],
    *,
    speed: float = 100.0,
    settings: str = "",
    sync: str = "5s",
    **more: Any,
) -> AsyncIterator[Providers]:
    """A world in which a line of each provider works, and whose calls may last a second.

    Args:
        folder: an empty one.
        free_port: gives ports.
        speed: of the lab.
        settings: further settings of every line.
        sync: how often a subscriber's messages are looked at.
        more: as `world` has it.
    """
    seen, proxy = Seen(), ChaosProxy()

    def begin(made: World) -> None:
        proxy.target = URL(made.att.base_url).port or 0
        seen.now = lambda: made.att.options.clock.now().timestamp()

    async with proxy:
        lines = (
            "".join(f'{part}timeout = "{TIMEOUT:g}s"\n{settings}' for part in (DESK, *_each(LINES)))
            .replace("{att}", proxy.url)
            .replace('sync_interval = "5s"', f'sync_interval = "{sync}"')
        )
        modes = {"att-landline": {"reorder": 0, "duplicate": 0}, **more.pop("modes", {})}
        middlewares = (seen.middleware,)
        async with at_home(
            folder, free_port, lines=lines, speed=speed, before=begin, modes=modes, middlewares=middlewares, **more
        ) as made:
            await agree(made)
            await followed(made)
            await hooked(made)
            yield Providers(made, proxy, seen)


def _each(lines: str) -> list[str]:
    """The lines of a settings file, each with its settings."""
    return [f"[lines.{part}" for part in lines.split("[lines.")[1:]]
