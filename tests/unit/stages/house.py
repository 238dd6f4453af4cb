"""A small relay for the tests of stages: the real journal, AT&T simulated on real sockets, time that stands still."""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from relay.domain.addresses import outbound
from relay.domain.announcements import Announcement
from relay.domain.messages import Content, Reply, SendRequest
from relay.ids import Ids
from relay.journal import Answer, Journal, JournalLimits
from relay.providerkit.spec import LineContext
from relay.providers.att_landline import PROVIDER as LANDLINE
from relay.providers.att_landline.client import AttLandlineLine
from relay.providers.att_sms import PROVIDER as SMS
from relay.providers.att_sms.client import AttSmsLine
from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from relay.stagekit import Rest, Stage, Standing
from relay.stages.poller import Poller
from relay.stages.sender import Sender
from relay.stages.tracker import Tracker
from relay.telemetry.health import LineBoard
from tests import journals

ME = "relay-1"
GRACE = 5.0
ALERTS, OFFICE, DESK = "alerts", "office", "desk"
ALICE, BOB, CAROL = "+12065550001", "+12065550002", "+12065550003"  # delivered, whatever happens
INVALID = "+12065550115"  # a call to it is refused as a whole
TEXT = "Your order is on its way."
_SQL = {"insert": "BEFORE INSERT ON {}", "update": "BEFORE UPDATE ON {}"}


@dataclass
class House:
    """Everything that a stage stands on."""

    folder: Path
    clock: ManualClock
    simulator: Simulator
    ids: Ids
    journal: Journal
    board: LineBoard
    stack: AsyncExitStack
    keys: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    @classmethod
    async def built(cls, folder: Path, stack: AsyncExitStack, **limits: int) -> Self:
        """A new house; what is in it is closed with `stack`."""
        clock = ManualClock()
        modes = {"att-landline": {"reorder": 0, "duplicate": 0}}
        options = SimulatorOptions(clock=clock, seed=7, keep=None, modes=modes)
        simulator = await stack.enter_async_context(Simulator(options))
        ids = Ids(clock, random.Random(7))  # noqa: S311 - chance that repeats
        house = cls(folder, clock, simulator, ids, None, LineBoard(clock, [ALERTS, OFFICE, DESK]), stack)  # type: ignore[arg-type] # in a moment
        await house.open(**limits)
        stack.push_async_callback(house.close)
        return house

    async def open(self, **limits: int) -> None:
        """Open the journal."""
        await asyncio.to_thread(journals.lay, self.folder / "relay.db")
        url = f"sqlite:///{self.folder}/relay.db"
        self.journal = await Journal.open(
            url, clock=self.clock, ids=self.ids, node=ME, limits=JournalLimits(**limits), real=self.clock
        )

    async def close(self) -> None:
        """Close the journal."""
        await self.journal.aclose()

    async def restart(self) -> None:
        """As a daemon does that ends and starts: the journal is closed, opened and recovered."""
        await self.close()
        await self.open()
        await self.journal.calls.recover()

    # what stages work with

    def sms(self, **more: Any) -> AttSmsLine:
        """The demo's short code, connected."""
        least = {"short_code": "12345", "app_key": "demo-key", "app_secret": "demo-secret", "timeout": 2.0}
        settings = SMS.settings.model_validate({"base_url": self.simulator.base_url, **least, **more})
        line = SMS.connect(LineContext(ALERTS, settings, self.journal.memory(ALERTS), self.clock, self.ids))
        assert isinstance(line, AttSmsLine)
        self.stack.push_async_callback(line.aclose)
        return line

    def landline(self, **more: Any) -> AttLandlineLine:
        """The demo's landline number, connected."""
        least = {"number": "+12065550100", "session": "00000000-0000-0000-0000-000000000000:1", "timeout": 2.0}
        settings = LANDLINE.settings.model_validate({"base_url": self.simulator.base_url, **least, **more})
        line = LANDLINE.connect(LineContext(OFFICE, settings, self.journal.memory(OFFICE), self.clock, self.ids))
        assert isinstance(line, AttLandlineLine)
        self.stack.push_async_callback(line.aclose)
        return line

    @property
    def ground(self) -> Standing:
        """What stages stand on."""
        return Standing(self.journal, self.board, self.clock, self.ids)

    def sender(self, line: Any = None, window: int = 8, hooks: Any = None) -> Sender:
        """A sender, of the short code if nothing else is said."""
        return Sender(line or self.sms(), self.ground, owner=ME, window=window, hooks=hooks)

    def tracker(self, line: Any = None, window: int = 8) -> Tracker:
        """A tracker of the short code."""
        return Tracker(line or self.sms(), self.ground, window=window)

    def poller(self, line: Any = None) -> Poller:
        """A poller of the short code."""
        return Poller(line or self.sms(), self.ground)

    # what happens

    async def send(self, *to: str, line: str = ALERTS, size: int = 50, **wishes: Any) -> Answer:
        """Have a request accepted."""
        addresses = tuple(outbound(number) for number in to or (ALICE,))
        key = f"key-{next(self.keys)}"
        wishes = {"text": TEXT, "ttl": 72 * 3600.0, **wishes}
        request = SendRequest(line=line, client=None, key=key, digest=key, to=addresses, **wishes)
        content = Content(TEXT, len(addresses))
        plan = self.landline().plan(content) if line == OFFICE else self.sms().plan(content)
        sized = replace(plan, recipients_per_call=size)
        return await self.journal.commands.accept(request, sized, [None] * len(addresses))

    async def sent(self, *to: str, **wishes: Any) -> Answer:
        """Have a request accepted and made by a sender."""
        answer = await self.send(*to, **wishes)
        await until_rest(sender := self.sender())
        await sender.drain(GRACE)
        return answer

    def text(self, body: str = "Hello", sender: str = BOB, to: str = "12345") -> None:
        """Somebody texts the line."""
        self.simulator.world.handset.text(sender=sender, to=to, text=body)

    def fault(self, do: str, **rule: Any) -> None:
        """Let something go wrong at AT&T's, once if nothing else is said."""
        match = {name: rule.pop(name) for name in ("service", "operation", "line") if name in rule}
        self.simulator.world.faults.add({"match": match, "do": do, **rule})

    @contextmanager
    def broken(self, table: str, act: str = "insert") -> Iterator[None]:
        """While inside, the journal cannot write this table, as if its disk failed."""
        self._sql(f"CREATE TRIGGER broken {_SQL[act].format(table)} BEGIN SELECT json('broken'); END")
        try:
            yield
        finally:
            self._sql("DROP TRIGGER broken")

    @contextmanager
    def defective(self, table: str, where: str) -> Iterator[None]:
        """While inside, these rows break a rule of the tables, as if relay had a defect."""
        self._sql(f"CREATE TRIGGER defect BEFORE INSERT ON {table} WHEN {where} BEGIN SELECT RAISE(ABORT, 'no'); END")
        try:
            yield
        finally:
            self._sql("DROP TRIGGER defect")

    def _sql(self, statement: str) -> None:
        with sqlite3.connect(self.folder / "relay.db") as connection:
            connection.execute(statement)
        connection.close()

    # what came of it

    def ledger(self, *what: str) -> list[dict[str, Any]]:
        """What AT&T saw."""
        return [line for line in self.simulator.world.ledger.lines() if line["what"] in what]

    def accepted(self) -> Counter[str]:
        """How often each number was sent to, as AT&T saw it."""
        return Counter(line["to"] for line in self.ledger("accepted"))

    def violations(self) -> list[dict[str, Any]]:
        """What AT&T's rules were broken by."""
        return self.simulator.world.violations.lines()

    async def events(self, kind: str) -> list[Announcement]:
        """Everything of a kind that was announced so far."""
        return [event for _, event in await self.journal.events.follow(0, 100_000) if event.kind == kind]

    async def bodies(self, kind: str) -> list[Mapping[str, Any]]:
        """The bodies of what was announced so far."""
        return [event.body for event in await self.events(kind)]

    async def copies(self, key: str = "key-1", line: str = ALERTS) -> list[dict[str, Any]]:
        """A request's copies as a lookup shows them."""
        return list((await self.journal.commands.lookup(line, None, key, None, Reply())).body["copies"])

    async def standing(self, key: str = "key-1", line: str = ALERTS) -> dict[str, str]:
        """A request's copies: number and status."""
        return {one["to"]: one["status"] for one in await self.copies(key, line)}

    async def finals(self) -> Counter[str]:
        """How many final receipts each copy got."""
        return Counter(body["copy_id"] for body in await self.bodies("receipt") if body["final"])

    async def unread(self) -> int:
        """How many kept bytes nobody has read."""
        status = await self.journal.queries.status()
        return int(status["unread"])

    async def in_flight(self, line: str = ALERTS) -> int:
        """How many calls the journal has in flight."""
        status = await self.journal.queries.status()
        return int(status["lines"].get(line, {"calls": {"in_flight": 0}})["calls"]["in_flight"])


async def happens(so: Callable[[], bool]) -> None:
    """Let others work until it is so."""
    async with asyncio.timeout(GRACE):
        while not so():  # noqa: ASYNC110 - nobody tells when it has come about
            await asyncio.sleep(0)


async def until_rest(stage: Stage) -> Rest:
    """Step until the stage has nothing more to do now; its rest."""
    for _ in range(10_000):
        if (rest := await stage.step()) is not None:
            return rest
    raise AssertionError("the stage never rests")


async def settled(stage: Stage) -> Rest:
    """Step until it rests with nothing in flight, and nothing came of what was."""
    await until_rest(stage)
    await stage.drain(GRACE)
    rest = await until_rest(stage)
    while isinstance(stage, Sender) and stage._window.busy:
        # It keeps a place free, and rests while work is left.
        await stage.drain(GRACE)
        rest = await until_rest(stage)
    return rest


def seconds(rest: Rest) -> float:
    """How long a rest is."""
    assert rest.seconds is not None
    return rest.seconds
