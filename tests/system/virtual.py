"""Relay's real stages, journal and sockets, on a clock that waits for them: days pass in seconds."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from relay.bus.delivery import Delivery
from relay.bus.mqtt import Bus
from relay.hookaddresses import hook_secrets
from relay.ids import Ids
from relay.journal import Journal
from relay.lines import Lines
from relay.providerkit.spec import LineContext
from relay.providers import discover
from relay.settings import Settings, load_settings
from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from relay.stagekit import Rest, Stage, Standing
from relay.stages.accountant import Accountant
from relay.stages.janitor import Janitor
from relay.supervisor import Supervisor
from relay.telemetry.health import LineBoard, Pulse
from relay.web.admin import AdminListener
from relay.wiring import bus_settings
from relay.wiring.core import Core, journal_limits
from relay.wiring.rules import rules_of
from relay.wiring.services import Services
from relay.wiring.stages import Stages
from tests import journals
from tests.system.world import SECRETS

BEGINNING = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
GRACE = 20.0
SELDOM, SHORT = 600.0, 5.0
SETTINGS = """
[node]
name = "relay-1"
[bus]
url = "mqtt://127.0.0.1:1"
[journal]
url = "sqlite:///{folder}/relay.db"
[webhooks]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:0"
socket = "{folder}/relay.sock"
"""


class WatchedPulse(Pulse):
    """Tells when a stage has ended a step."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        """Whether any stage is at a step."""
        return bool(self._busy_since)

    def resting(self, stage: str) -> None:
        """As it is, and whoever waits is woken."""
        super().resting(stage)
        self.ended.set()


class PatientClock(ManualClock):
    """Moves on only when nothing is under way any more."""

    def __init__(self, start: datetime = BEGINNING) -> None:
        super().__init__(start, turns=8)
        self.pulse = WatchedPulse()
        self.stages: Sequence[Any] = ()

    async def _settle(self) -> None:
        await super()._settle()
        while self.pulse.is_busy or self._pieces():
            self.pulse.ended.clear()
            ended = asyncio.ensure_future(self.pulse.ended.wait())
            await asyncio.wait({ended, *self._pieces()}, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            await super()._settle()

    def _pieces(self) -> "set[asyncio.Task[Any]]":
        """What the stages have in flight."""
        windows = (getattr(stage, "_window", None) for stage in self.stages)
        return {piece for window in windows if window is not None for piece in window._pieces}


class Seldom(Stage):
    """A stage that looks for work as it is told of it, and else less often than it would: three days are many looks."""

    def __init__(self, stage: Stage, seconds: float = SELDOM) -> None:
        self.name, self.line = stage.name, stage.line
        self._stage = stage
        self._seconds = seconds

    async def step(self) -> Rest | None:
        """As the stage's own, and a longer rest."""
        rest = await self._stage.step()
        if rest is None or rest.seconds is None or rest.seconds < SHORT:
            return rest
        return Rest(max(rest.seconds, self._seconds), rest.bell)

    async def drain(self, seconds: float) -> None:
        """As the stage's own."""
        await self._stage.drain(seconds)


@dataclass
class Life:
    """A running relay, AT&T, and what was published, in order."""

    clock: PatientClock
    att: Simulator
    journal: Journal
    services: Services
    board: LineBoard
    published: list[Any] = field(default_factory=list)
    _position: int = 0

    async def passes(self, seconds: float) -> None:
        """So much time goes by, and what was announced meanwhile is published."""
        await self.clock.advance(seconds)
        while found := await self.journal.events.follow(self._position, 1000):
            self._position = found[-1][0]
            self.published += [event for _, event in found]
        await self.journal.events.published([event.id for event in self.published[-1000:]])

    async def ask(self, verb: str, line: str = "desk", **payload: Any) -> dict[str, Any]:
        """The answer to a command, as it would come through the bus."""
        answer = await self.services.intake.take(Delivery(line, verb, None, json.dumps(payload).encode()))
        return dict(answer.body)

    async def agree(self, line: str = "desk") -> None:
        """The subscriber agrees in a browser."""
        async with self.services.consents.login(line) as login, aiohttp.ClientSession() as browser:
            async with browser.get(login.url) as page:
                await page.read()
            outcome = await self.services.consents.outcome(line, login, GRACE)
        assert outcome.end == "given", outcome

    def bodies(self, kind: str) -> list[Any]:
        """What was published of a kind."""
        return [event.body for event in self.published if event.kind == kind]

    def calls(self, *what: str) -> list[dict[str, Any]]:
        """AT&T's ledger."""
        return [line for line in self.att.world.ledger.lines() if line["what"] in what]

    def act(self, action: str, service: str = "att-inapp", **facts: Any) -> None:
        """Let something happen at AT&T's."""
        self.att.act(service, action, {name.rstrip("_"): value for name, value in facts.items()})


@asynccontextmanager
async def life(
    folder: Path,
    port: int,
    lines: str,
    modes: Mapping[str, Any],
    *,
    start: datetime = BEGINNING,
    seldom: float = SELDOM,
    tidy: float = SELDOM,
) -> AsyncIterator[Life]:
    """Everything that runs, but for the bus; time begins with `start`, and stages look for work every `seldom`.

    What time alone does, expiry and what a line's budget comes to, is done every `tidy` at the soonest.
    """
    clock = PatientClock(start)
    options = SimulatorOptions(clock=clock, seed=7, keep=None, modes=modes)
    async with Simulator(options) as att:
        settings = await asyncio.to_thread(_loaded, folder, port, lines.format(att=att.base_url, directory=folder))
        ids = Ids(clock, random.Random(7))  # noqa: S311 - chance that repeats
        url, limits = settings.journal.url, journal_limits(settings)
        await asyncio.to_thread(journals.lay, folder / "relay.db")
        async with await Journal.open(url, clock=clock, ids=ids, node="relay-1", limits=limits, real=clock) as journal:
            base = await _core(settings, clock, ids, journal)
            async with _running(base, att, seldom, max(seldom, tidy)) as made:
                yield made
            for line in base.lines.values():
                await line.aclose()


@asynccontextmanager
async def _running(base: Core, att: Simulator, seldom: float, tidy: float) -> AsyncIterator[Life]:
    standing = Standing(base.journal, LineBoard(base.clock, base.lines), base.clock, base.ids)
    admin = AdminListener("127.0.0.1", 0)
    admin.claim()
    services = Services(base, standing.board, admin)
    made = Stages(base, Bus(bus_settings(base.settings), tuple(base.lines), base.clock, base.ids), standing, services)
    listener = services.listener(made.receiver)
    listener.claim()
    assert isinstance(base.clock, PatientClock)
    keepers: list[Stage] = [Janitor(journal=base.journal), Accountant(base.lines, standing)]
    stages = [made.receiver, *made.of_lines()]
    base.clock.stages = [*stages, *keepers]
    supervisor = Supervisor(base.clock, base.ids, standing.board, base.clock.pulse, GRACE)
    watched = [Seldom(stage, seldom) for stage in stages] + [Seldom(stage, tidy) for stage in keepers]
    async with supervisor.running(watched), admin, listener:
        yield Life(base.clock, att, base.journal, services, standing.board)


async def _core(settings: Settings, clock: PatientClock, ids: Ids, journal: Journal) -> Core:
    providers = discover()
    lines = {
        alias: providers[line.provider].connect(LineContext(alias, line, journal.memory(alias), clock, ids))
        for alias, line in settings.lines.items()
    }
    journal.follow(rules_of(settings, lines))
    secrets = {alias: await hook_secrets(journal.memory(alias), None, clock.now()) for alias in lines}
    return Core(settings, clock, ids, journal, Lines(lines), secrets, providers)


def _loaded(folder: Path, port: int, lines: str) -> Settings:
    for name, secret in SECRETS.items():
        (folder / name).write_text(secret + "\n")
        (folder / name).chmod(0o600)
    path = folder / "relay.toml"
    path.write_text(SETTINGS.format(folder=folder, port=port) + lines)
    models = {name: provider.settings for name, provider in discover().items()}
    return load_settings(path=path, environment={}, line_models=models)
