"""settings -> findings: the parts of relay's surroundings, all looked at at once, each with its own time-out."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.ending import BAD_SETTINGS
from relay.cli.findings import Finding, good, wrong
from relay.cli.findings.broker import look_at_broker
from relay.cli.findings.clock import judged
from relay.cli.findings.journal import is_running, look_at_journal
from relay.cli.findings.lines import Prober
from relay.cli.findings.listeners import look_at_listeners
from relay.cli.findings.modes import look_at_modes
from relay.cli.findings.patience import USUAL, Patience
from relay.cli.findings.place import look_at_places
from relay.cli.findings.public import look_at_public
from relay.cli.findings.retention import look_at_retention
from relay.cli.findings.rules import look_at_rules
from relay.cli.findings.sense import look_at_sense
from relay.cli.findings.tables import look_at_sqlite
from relay.clock import Clock, SystemClock
from relay.ids import unguessable
from relay.providerkit.spec import Provider
from relay.providers import discover
from relay.settings import BadSettings, SettingProblem, Settings, config_path, load_settings
from relay.telemetry.logging import configure

_THREADS = 32  # a name server that keeps silent holds one for each name

_PARTS = {"journal.url": "journal", "bus.url": "broker", "webhooks.public_url": "webhooks"}
_MARKS = {"ok": "ok", "hint": "--", "wrong": "!!"}


def check_everything(config: Path | None, *, as_json: bool, offline: bool) -> None:
    """Look at everything and tell what was found.

    Raises:
        typer.Exit: 1 where something is wrong, 78 where it is the settings.
    """
    configure("text", "critical", sys.stderr, unguessable().encode())
    providers = discover()
    models = {name: provider.settings for name, provider in providers.items()}
    try:
        settings = load_settings(path=config, environment=os.environ, line_models=models)
        path = config_path(config, os.environ)
        code = asyncio.run(_told(settings, Surroundings(providers, path, offline=offline), as_json=as_json))
    except BadSettings as bad:
        _tell([refusal(problem) for problem in bad.problems], as_json=as_json)
        raise typer.Exit(BAD_SETTINGS) from None
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is there beside the settings.

    Attributes:
        providers: all that there are, by name.
        config: the settings file.
        offline: call nobody.
        patience: how long to wait for whom.
        clock: this machine's time.
    """

    providers: Mapping[str, Provider]
    config: Path | None = None
    offline: bool = False
    patience: Patience = USUAL
    clock: Clock = field(default_factory=SystemClock)


async def look_at_everything(settings: Settings, around: Surroundings) -> Sequence[Finding]:
    """What is found of everything, in the order in which it is told.

    Raises:
        BadSettings: a line cannot follow its rules; nothing else was looked at.
    """
    prober = Prober(settings, around.providers, patience=around.patience, clock=around.clock)
    running = await asyncio.to_thread(is_running, settings)
    found = [good("settings", f"node {settings.node.name}, lines {', '.join(settings.lines)}")]
    found += [*look_at_retention(settings), *await look_at_rules(settings, prober)]
    found += await asyncio.to_thread(_before_all, settings, is_running=running)
    parts: list[Awaitable[Sequence[Finding]]] = [asyncio.to_thread(_on_disk, settings, around.config)]
    parts += [look_at_journal(settings, offline=around.offline)]
    if not around.offline:
        here: dict[str, Any] = {"is_running": running, "patience": around.patience, "clock": around.clock}
        parts += [look_at_broker(settings, **here), look_at_public(settings, **here)]
        parts += [prober.look_at_line(alias) for alias in settings.lines]
    named = [
        "journal.url",
        "journal.url",
        "bus.url",
        "webhooks.public_url",
        *(f"lines.{alias}.base_url" for alias in settings.lines),
    ]
    looks = (_in_time(setting, look, around.patience.part) for setting, look in zip(named, parts, strict=False))
    found += [finding for part in await asyncio.gather(*looks) for finding in part]
    return found + judged(prober.ahead)


def _before_all(settings: Settings, *, is_running: bool) -> list[Finding]:
    """What asks nobody; the addresses are tried before the check itself listens on one of them."""
    listeners = [] if is_running else look_at_listeners(settings)
    sqlite = [] if settings.journal.is_postgresql else [look_at_sqlite()]
    return [*look_at_sense(settings), *listeners, *sqlite]


def _on_disk(settings: Settings, config: Path | None) -> list[Finding]:
    """What a disk that hangs would hold up."""
    return [*look_at_modes(config, settings), *look_at_places(settings)]


async def _told(settings: Settings, around: Surroundings, *, as_json: bool) -> int:
    """Look, and tell; the exit code."""
    threads = Threads(_THREADS)
    asyncio.get_running_loop().set_default_executor(threads)
    found = await look_at_everything(settings, around)
    _tell(found, as_json=as_json)
    code = 0 if all(finding.ok for finding in found) else 1
    sys.stdout.flush()
    if threads.are_held:
        # A name server that keeps silent holds its thread, and with it the process, for longer than anybody waits.
        os._exit(code)
    return code


class Threads(ThreadPoolExecutor):
    """Threads of which it is known whether one is held by something that does not end."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._begun: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As any executor does."""
        begun = super().submit(fn, *args, **kwargs)
        self._begun.append(begun)
        return begun

    @property
    def are_held(self) -> bool:
        """Whether one is at work still."""
        return not all(each.done() for each in self._begun)


async def _in_time(setting: str, look: Awaitable[Sequence[Finding]], patience: float) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(patience):
            return await look
    except TimeoutError:
        part = _PARTS.get(setting) or setting.split(".")[1]
        cure = f"check {setting} and the network, and try again"
        return [wrong(part, f"there was no answer within {patience:g} s", "relay would wait for it as well", cure)]


def refusal(problem: SettingProblem) -> Finding:
    """A setting that is refused, as a finding."""
    where = f"{problem.where}: {problem.key}" if problem.key else problem.where
    cure = problem.cure or f"mend {problem.key or 'it'} at {problem.where}: it {problem.what}"
    return wrong("settings", f"{where}: {problem.what}", "relay does not start with these settings", cure)


def _tell(findings: Sequence[Finding], *, as_json: bool) -> None:
    for line in _as_json(findings) if as_json else in_words(findings):
        typer.echo(line)


def _as_json(findings: Sequence[Finding]) -> Iterator[bytes]:
    return (to_json(finding.as_body()) for finding in findings)


def in_words(findings: Sequence[Finding]) -> Iterator[str]:
    """Each finding in a line; below what is not in order why it matters, and the cure.

    Why it matters is said once for all that follow one another.
    """
    width = max(len(finding.part) for finding in findings)
    for before, finding in pairwise([None, *findings]):
        if finding is not None:
            why = finding.why if before is None or before.why != finding.why else None
            yield f"{_MARKS[finding.level]}  {finding.part:<{width}}  {finding.what}"
            yield from (f"{'':{width + 6}}{more}" for more in (why, finding.cure) if more)
