"""What goes wrong in a seed, and when: drawn once, at the beginning, so that a seed is a plan and not a mood."""

import random
from dataclasses import dataclass
from typing import Any

from relay.boundaries import Boundary
from tests.simulation.network import Trouble
from tests.simulation.world import HOOKS, PROVIDERS, World

MINUTE, HOUR = 60.0, 3600.0
_TARGETS = [*PROVIDERS.values(), HOOKS]
_TROUBLES: list[Trouble] = ["refused", "silent", "cut-before", "cut-after", "stall", "garbage", "half"]
_SERVICES = {"att-sms": ["send", "inbox", "status"], "att-landline": ["send"], "att-inapp": ["send", "delta", "list"]}
_ANSWERS: list[dict[str, Any]] = [
    {"do": "status", "status": 500},
    {"do": "status", "status": 503},
    {"do": "status", "status": 502, "processed": True},
    {"do": "html"},
    {"do": "garbage"},
    {"do": "garbage", "processed": True},
    {"do": "truncate"},
    {"do": "retry-after", "after": 900},
    {"do": "retry-after", "after": 120, "status": 503},
    {"do": "redirect"},
    {"do": "cut-before"},
    {"do": "cut-after"},
]
_DEADLY = [
    one
    for one in Boundary
    if one not in {Boundary.TABLES_CHANGED, Boundary.TOKEN_FETCHED} and not one.startswith("move.")
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, as the plan has it.

    Attributes:
        begins: seconds from the beginning of the story.
        lasts: seconds.
        kind: of which there are those in `Troubles.begin`.
        about: what it is about, in the words of its kind.
        often: the chance of each request, or publication, to be met by it.
    """

    begins: float
    lasts: float
    kind: str
    about: Any = None
    often: float = 1.0

    @property
    def ends(self) -> float:
        """Seconds from the beginning."""
        return self.begins + self.lasts


def plan(chance: random.Random, hours: float, *, long_outage: bool) -> list[Fault]:
    """The faults of a seed, in order."""
    faults = [_one(chance, chance.uniform(0.1, hours - 1.5) * HOUR) for _ in range(chance.randint(7, 11))]
    if long_outage:
        faults.append(Fault(HOUR, 72 * HOUR, "network", (chance.choice(_TARGETS[:3]), chance.choice(_TROUBLES[:2]))))
    return sorted(faults, key=lambda fault: fault.begins)


def _one(chance: random.Random, begins: float) -> Fault:  # noqa: PLR0911 - one for each kind
    short, longer = (
        chance.uniform(5, 20 * MINUTE),
        chance.choice([chance.uniform(5, 600), chance.uniform(600, 4 * HOUR)]),
    )
    often = chance.choice([1.0, 1.0, 0.5, 0.2])
    match chance.randrange(12):
        case 0 | 1 | 2:
            about = (chance.choice(_TARGETS), chance.choice(_TROUBLES))
            # A provider that takes everything and never says so makes everything uncertain: that is not for hours.
            lasts = longer if about[1] in {"refused", "silent"} else short
            return Fault(begins, lasts, "network", about, often)
        case 3 | 4:
            service = chance.choice(list(_SERVICES))
            operation = chance.choice(_SERVICES[service])
            rule = {"match": {"service": service, "operation": operation}, **chance.choice(_ANSWERS)}
            return Fault(begins, short, "answer", {**rule, "times": chance.randint(1, 6)})
        case 5:
            return Fault(begins, longer, "broker", chance.choice(["down", "restarted", "forgetful"]))
        case 6:
            fate = chance.choice(["unconfirmed", "unheard", "mute", "refused"])
            # A broker that refuses some and takes others of the same topic would be none.
            return Fault(begins, short, "publications", fate, 1.0 if fate in {"mute", "refused"} else 0.3)
        case 7:
            return Fault(begins, chance.uniform(5, 900), "journal", chance.choice(["refuses", "full", "unsure"]))
        case 8 | 9:
            return Fault(begins, chance.choice([1.0, 1.0, short, longer]), "killed")
        case 10:
            about = (chance.choice(_DEADLY), chance.randint(1, 6))
            return Fault(begins, longer, "killed at", about)
        case _:
            return Fault(begins, short, chance.choice(["stopped", "clock", "tokens", "index", "states", "hooks"]))


class Troubles:
    """Makes the faults of a plan happen.

    Args:
        world: where.
        chance: whether a request is met by what meets only some.
    """

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world = world
        self._chance = chance
        self._now: list[Fault] = []
        self._clock_fault = random.Random(chance.random())  # noqa: S311 - a failure must repeat
        world.network.judge = self._judge
        world.broker.fate = self._fate

    async def begin(self, fault: Fault) -> None:  # noqa: C901 - one case for each kind
        """It happens."""
        world = self._world
        self._now.append(fault)
        match fault.kind, fault.about:
            case "answer", rule:
                world.att.world.faults.add(rule)
            case "broker", what:
                world.broker.up = False
                world.broker.forget() if what == "forgetful" else world.broker.cut()
                if what == "restarted":
                    world.broker.up = True
            case "journal", trouble:
                if world.relay.is_up:
                    world.relay.journal.writer.trouble = trouble
            case "killed", _:
                world.relay.kill()
            case "killed at", (boundary, times):
                world.relay.kill_at(boundary, times)
            case "stopped", _:
                await world.relay.stop()
            case "clock", _:
                world.relay.clock.ahead += self._clock_fault.choice([-600.0, -30.0, 30.0, 600.0, 7200.0])
            case "tokens", _:
                world.att.act("att-sms", "expire-tokens")
                world.att.act("att-inapp", "expire-tokens")
            case "index", _:
                world.att.act("att-inapp", "expire-index")
            case "states", _:
                world.att.act("att-inapp", "purge-states")

    async def end(self, fault: Fault) -> None:
        """It is over."""
        self._now.remove(fault)
        world = self._world
        if fault.kind == "broker" and not self._are("broker"):
            world.broker.up = True
        if fault.kind == "journal" and world.relay.is_up:
            world.relay.journal.writer.trouble = ""
        if fault.kind == "killed at":
            world.relay.kill_at(fault.about[0], 1 << 30)
        if fault.kind.startswith(("killed", "stopped")) and not self._are("killed", "stopped"):
            await self._start()

    async def all_over(self) -> None:
        """Nothing goes wrong from now on; the clock is right again."""
        self._world.att.world.faults.clear()
        self._world.relay.clock.ahead = 0.0
        await self._start()

    async def _start(self) -> None:
        if not self._world.relay.is_up:
            await self._world.relay.start()

    def _are(self, *kinds: str) -> bool:
        return any(fault.kind in kinds for fault in self._now)

    def _judge(self, host: str, _port: int) -> Trouble | None:
        for fault in self._now:
            if fault.kind == "network" and fault.about[0] == host and self._chance.random() < fault.often:
                trouble: Trouble = fault.about[1]
                return trouble
        return None

    def _fate(self, topic: str) -> Any:
        for fault in self._now:
            if fault.kind == "publications" and self._chance.random() < fault.often:
                # Only events are refused: how brokers are asked for rights is not a matter of chance.
                return "taken" if fault.about == "refused" and topic.endswith(("status", "info")) else fault.about
        return "taken"
