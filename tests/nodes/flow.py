"""Traffic in all directions over several nodes, for as long as a fault lasts, and the wait until all has ended."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiomqtt
from pydantic_core import to_json

from tests.battery.checker import Findings
from tests.conftest import LONG
from tests.nodes.cluster import Cluster, eventually, lasting
from tests.system.inhouse import SUBSCRIBER, agree, followed
from tests.system.ledgers import compare

SEED = 20261121
FRIEND, OTHER = "+12065550199", "+12065550177"
NUMBERS = {"alerts": "12345", "office": "+12065550100", "desk": SUBSCRIBER}
PAUSE = 0.5 if LONG else 1.0  # seconds between two rounds
LAG = 24  # copies, or texts in, that may wait before it is waited for them
WAITED = 3.0  # seconds: so long, as during a fault
COMPARED_EVERY = 0.5  # seconds
AGAIN = 0.1  # seconds until the broker is tried again
BROKER_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """What is asked for in one go.

    Attributes:
        requests: with one recipient.
        many: recipients of one request more; 0: there is none.
        hooks: texts in on the line that AT&T calls back for.
    """

    requests: int = 3
    many: int = 3
    hooks: int = 2

    @property
    def copies(self) -> int:
        """How many it makes."""
        return self.requests + self.many


MANY = Round(requests=17, many=183, hooks=40)


class Flow:
    """Requests on three lines, texts in by poll, web hook and message store, texts from a subscriber's own phone.

    Args:
        made: the nodes.
        shape: of each round.
    """

    def __init__(self, made: Cluster, shape: Round = Round()) -> None:
        self._made = made
        self._shape = shape
        self._chance = random.Random(SEED)  # noqa: S311 - a failure must repeat
        self._bus = _Publishing(made.broker.port)
        self._probes = 0
        self._told: set[str] = set()
        self._place = 0
        self._lag = max(LAG, 4 * shape.copies)
        self.rounds = 0
        self.copies = 0
        self.texts_in = 0

    async def prepare(self) -> None:
        """Relay has started: it listens, its web hooks stand, its subscriber agrees, the message store is followed."""
        await self._made.listening()
        await self._made.hooked()
        await agree(self._made)
        await followed(self._made)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside there is a round every moment."""
        ends = asyncio.Event()
        flowing = asyncio.create_task(self._flow(ends))
        try:
            yield
        finally:
            ends.set()
            await flowing

    async def round(self) -> None:
        """A little of everything; all of the commands are with the broker on return."""
        self.rounds += 1
        for number in range(self._shape.requests):
            await self._ask(f"r-{self.rounds}-{number}", 1)
        if self._shape.many:
            await self._ask(f"r-{self.rounds}-many", self._shape.many)
        for number in range(self._shape.hooks):
            self._text_in("office", f"hook {self.rounds}-{number}")
        self._text_in("alerts", f"poll {self.rounds}")
        self._text_in("desk", f"store {self.rounds}")
        self._made.act("text-from-phone", to=FRIEND, text=f"phone {self.rounds}")

    async def keep_pace(self, within: float = WAITED) -> None:
        """Wait a little while more is under way than nodes without a fault need: a queue is no subject here."""
        with suppress(AssertionError):
            await eventually(lambda: self._under_way < self._lag, within, "all nodes keep pace")

    @property
    def _under_way(self) -> int:
        return max(self.copies - self._made.taken, self.texts_in - len(self._heard()))

    def _heard(self) -> set[str]:
        """All texts in that were told until now."""
        news = self._made.ears.heard[self._place :]
        self._place += len(news)
        self._told.update(event["data"]["text"] for _, event in news if event.get("type") == "relay.message.v1")
        return self._told

    async def recovered(self, within: float = 60.0) -> float:
        """Wait until a text out and a text in on each line have gone all the way; the seconds that it took."""
        began = time.monotonic()
        self._probes += 1
        probe = f"probe {self._probes}"
        wanted = {f"{probe} {line}" for line in NUMBERS}
        for line in NUMBERS:
            await self._ask(f"{probe} {line}", 1, line=line)
            self._text_in(line, f"{probe} {line}")
        await eventually(lambda: wanted <= self._heard(), within, "texts in are told again on every line")
        await eventually(lambda: wanted <= self._made.texts, within, "texts are sent again on every line")
        return time.monotonic() - began

    async def settled(self, within: float = 300.0) -> Findings:
        """Wait until every request has ended and every text was heard, or told to be lost; then compare.

        The comparison takes its time, and AT&T waits for it, which is simulated beside it: so it is not made after each
        of thousands of events.
        """
        until = time.monotonic() + within
        while True:
            began = time.monotonic()
            findings = compare(self._made)
            took = time.monotonic() - began
            if findings.lost == 0:
                return findings
            if began > until:
                raise AssertionError(f"not all has ended within {within} s: {findings}")
            running = [node for node in self._made.nodes if node.runs]
            await asyncio.gather(*(node.lives_for(max(COMPARED_EVERY, 4 * took)) for node in running))

    def said(self, findings: Findings) -> str:
        """For a table's note."""
        return f"{self.copies} copies, {self.texts_in} texts in: {findings}"

    async def aclose(self) -> None:
        """Leave the broker."""
        await self._bus.leave()

    async def _flow(self, ends: asyncio.Event) -> None:
        while not ends.is_set():
            await self.round()
            await self.keep_pace()
            try:
                async with asyncio.timeout(PAUSE):
                    await ends.wait()
            except TimeoutError:
                continue

    async def _ask(self, name: str, recipients: int, *, line: str = "") -> None:
        """Have a text sent; each has a text of its own, its name."""
        line = line or (self._chance.choice(tuple(NUMBERS)) if recipients == 1 else "alerts")
        first = self._chance.randrange(2_000_000, 9_000_000)
        to = [f"+1312{first + place}" for place in range(recipients)]
        request = {"id": name, "to": to, "text": name}
        topic = f"relay/line/{line}/send"
        await self._bus.publish(topic, request)
        self._made.asked.add({"what": "command", "topic": topic, "payload": request})
        self.copies += recipients

    def _text_in(self, line: str, text: str) -> None:
        self.texts_in += 1
        if line == "desk":
            self._made.act("receive", from_=FRIEND, text=text)
        else:
            self._made.text_in(OTHER, NUMBERS[line], text)


class _Publishing:
    """One connection to the broker, made again as often as it breaks; what is not acknowledged is published again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._client: aiomqtt.Client | None = None

    async def publish(self, topic: str, payload: Mapping[str, Any]) -> None:
        """Returns when the broker has it."""
        async with asyncio.timeout(BROKER_WITHIN):
            while True:
                try:
                    await (await self._connected()).publish(topic, to_json(payload), qos=1)
                except aiomqtt.MqttError:
                    await self.leave()
                    await lasting(AGAIN)  # nobody tells when a broker is there again
                else:
                    return

    async def leave(self) -> None:
        """Be connected no more, as soon as that is so."""
        client, self._client = self._client, None
        if client is not None:
            await client.__aexit__(None, None, None)

    async def _connected(self) -> aiomqtt.Client:
        if self._client is None:
            client = aiomqtt.Client("127.0.0.1", self._port, protocol=aiomqtt.ProtocolVersion.V5, timeout=5)
            await client.__aenter__()
            self._client = client
        return self._client
