"""A seed's story: people text, faults come and go, and then all is quiet for longer than AT&T's 72 hours."""

import asyncio
import random
from dataclasses import dataclass, field, replace
from typing import Any

from tests.battery.checker import Findings, judge
from tests.conftest import LONG
from tests.simulation.faults import HOUR, Troubles, plan
from tests.simulation.passing import passes
from tests.simulation.verdict import wrongs
from tests.simulation.world import NUMBER, SHORT_CODE, SUBSCRIBER, World
from tests.system.inhouse import media, part

QUIET, SHORTER = 80.0, 44.0  # hours: where something may be stuck for 72 hours, and where not
LINES = ("alerts", "office", "desk")
_FATES = ("13", "18", "19", "20", "21")
_STUCK = ("14", "22")  # until AT&T gives up after 72 hours: each is asked for hundreds of times
_LONG = "A long text that comes in more than one segment, and has to be put together again by whoever reads it. " * 2


@dataclass
class Told:
    """What came of a seed."""

    findings: Findings
    wrongs: list[str]
    hours: float
    faults: list[Any]
    world: World


@dataclass
class Story:
    """One seed's.

    Args:
        seed: decides everything.
        active: hours in which something happens.
        long_outage: whether a provider is gone for 72 of them.
    """

    seed: int
    active: float = 6.0
    long_outage: bool = False
    _number: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.active += 72 * self.long_outage
        self._pause = self.active * HOUR / (60 if LONG else 24)
        self._has_stuck = self.seed % 3 == 0
        self._chance = random.Random(f"traffic {self.seed}")  # noqa: S311 - a failure must repeat
        self.faults = plan(random.Random(f"faults {self.seed}"), self.active, long_outage=self.long_outage)  # noqa: S311

    @property
    def hours(self) -> float:
        """How long it is at least."""
        return self.active + (QUIET if self._has_stuck else SHORTER)

    async def __call__(self, world: World) -> Told:
        """Tell it."""
        await world.agree()
        await passes(120)
        troubles = Troubles(world, random.Random(f"requests {self.seed}"))  # noqa: S311 - as above
        writing = asyncio.ensure_future(self._write(world))
        await asyncio.gather(writing, *(self._happen(troubles, fault) for fault in self.faults))
        await troubles.all_over()
        await passes(600)
        await self._publish_again(world)
        self._last_words(world)
        await passes((self.hours - self.active) * HOUR)
        return Told(_judged(world), await wrongs(world, self.faults), world.loop.time() / HOUR, self.faults, world)

    async def _happen(self, troubles: Troubles, fault: Any) -> None:
        await passes(fault.begins)
        await troubles.begin(fault)
        await passes(fault.lasts)
        await troubles.end(fault)

    async def _write(self, world: World) -> None:
        until = world.loop.time() + self.active * HOUR
        while world.loop.time() < until:
            await passes(self._chance.uniform(0, 2 * self._pause))
            for _ in range(self._chance.choice([1, 1, 1, 4])):
                self._something(world)

    async def _publish_again(self, world: World) -> None:
        """What `relay/dead` asks of a person: an event over which the broker closed each connection was set aside."""
        dead = world.relay.journal.dead
        for thing in await world.relay.do(dead.list(1000, kind="event")):
            await world.relay.do(dead.again(thing["id"]))
            world.again.add(thing["event_id"])

    def _last_words(self, world: World) -> None:
        """Everything works again, in both directions."""
        for line, number in zip(LINES, (SHORT_CODE, NUMBER, SUBSCRIBER), strict=True):
            request = {"id": f"last-{line}", "to": "+12065550299", "text": f"last out {line}"}
            assert world.command(line, "send", request)
            world.text_in(number, "+12065550298", f"last in {line}")

    def _something(self, world: World) -> None:
        self._number += 1
        number, chance = self._number, self._chance
        match chance.randrange(10):
            case 0 | 1 | 2 | 3:
                self._send(world, number)
            case 4 | 5 | 6:
                self._comes(world, number)
            case 7:
                world.att.act("att-inapp", "text-from-phone", {"to": self._somebody(), "text": f"phone {number}"})
            case 8:
                verb = chance.choice(["lookup", "cancel"])
                asked = {"id": f"r{chance.randint(1, number)}", "ref": f"{verb} {number}"}
                world.command(chance.choice(LINES), verb, asked)
            case 9:
                world.command(
                    chance.choice(LINES), "check", {"id": f"c{number}", "to": self._somebody(), "text": "check"}
                )

    def _send(self, world: World, number: int) -> None:
        chance, line = self._chance, self._chance.choice(LINES)
        request: dict[str, Any] = {"id": f"r{number}", "text": f"out {number}"}
        request["to"] = sorted({self._somebody() for _ in range(chance.choice([1, 1, 2, 5]))})
        request["priority"] = chance.choice(["normal", "normal", "high", "bulk"])
        request["on_uncertain"] = chance.choice(["hold", "hold", "resend", "fail"])
        if chance.random() < 0.3:
            request["ttl"] = chance.choice(["10m", "2h", "20h"])
        elif chance.random() < 0.1:
            request["receipts"] = False
        if line == "desk" and chance.random() < 0.2:
            request["media"] = [media()]
        client = chance.choice([None, "shop", "crm"])
        for _ in range(chance.choice([1, 1, 1, 2])):
            world.command(line, "send", request, client)

    def _comes(self, world: World, number: int) -> None:
        to = self._chance.choice([SHORT_CODE, NUMBER, SUBSCRIBER])
        text = f"in {number}" if self._chance.random() < 0.8 else f"in {number}: {_LONG}"
        if to == SUBSCRIBER and self._chance.random() < 0.2:
            world.text_in(to, self._somebody(), text, parts=[part()])
        else:
            world.text_in(to, self._somebody(), text[:150] if to == SHORT_CODE else text)

    def _somebody(self) -> str:
        """A handset, most often one to which texts come."""
        last = f"{self._chance.randint(30, 99)}"
        if self._chance.random() < 0.25:
            last = self._chance.choice(_STUCK if self._has_stuck and self._chance.random() < 0.05 else _FATES)
        return f"+120655502{last}"


def _judged(world: World) -> Findings:
    """What the ledgers say; where no receipts are wanted, the notice for a person is all that is told of a doubt."""
    found = judge(world.ledgers())
    told = [(line["topic"], line["event"]["data"]) for line in world.broker.heard]
    noticed = {data.get("id") for topic, data in told if topic == "relay/dead"}
    silent = {asked["payload"]["id"] for asked, _ in world.asked if asked.get("payload", {}).get("receipts") is False}
    excused = noticed & {data.get("message_id") for _, data in told if data.get("request_id") in silent}
    return replace(found, endless=[one for one in found.endless if one.rpartition("-")[0] not in excused])
