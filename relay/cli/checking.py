"""settings -> findings: the parts of relay's surroundings, all looked at at once, each with its own time-out."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Sequence
from itertools import pairwise
from pathlib import Path

import typer
from pydantic_core import to_json

from relay.cli.ending import BAD_SETTINGS
from relay.cli.findings import Finding, good, wrong
from relay.cli.findings.broker import look_at_broker
from relay.cli.findings.journal import look_at_journal
from relay.cli.findings.lines import Prober
from relay.cli.findings.retention import look_at_retention
from relay.cli.findings.rules import look_at_rules
from relay.ids import unguessable
from relay.providers import discover
from relay.settings import BadSettings, SettingProblem, Settings, load_settings
from relay.telemetry.logging import configure

PATIENCE = 8.0  # seconds for each part


def check_everything(config: Path | None, *, as_json: bool, offline: bool) -> None:
    """Look at everything and tell what was found.

    Raises:
        typer.Exit: 1 where something is wrong, 78 where it is the settings.
    """
    providers = discover()
    models = {name: provider.settings for name, provider in providers.items()}
    try:
        settings = load_settings(path=config, environment=os.environ, line_models=models)
        configure("text", "critical", sys.stderr, unguessable().encode())
        found = asyncio.run(_look(settings, Prober(settings, providers), offline=offline))
    except BadSettings as bad:
        _tell([_bad_setting(problem) for problem in bad.problems], as_json=as_json)
        raise typer.Exit(BAD_SETTINGS) from None
    _tell(found, as_json=as_json)
    sys.stdout.flush()
    if any(finding.late for finding in found):
        # A name server that keeps silent holds its thread, and with it the process, for longer than anybody waits.
        os._exit(1)
    raise typer.Exit(0 if all(finding.ok for finding in found) else 1)


async def _look(settings: Settings, prober: Prober, *, offline: bool) -> list[Finding]:
    found = [good("settings", f"node {settings.node.name}, lines {', '.join(settings.lines)}")]
    found += look_at_retention(settings)
    found += await look_at_rules(settings, prober)
    parts = [_in_time("journal", look_at_journal(settings, offline=offline))]
    if not offline:
        parts.append(_in_time("broker", look_at_broker(settings)))
        parts += [_in_time(alias, prober.look_at_line(alias)) for alias in settings.lines]
    return found + [finding for part in await asyncio.gather(*parts) for finding in part]


async def _in_time(part: str, look: Awaitable[Sequence[Finding]]) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(PATIENCE):
            return await look
    except TimeoutError:
        what = f"there was no answer within {PATIENCE:g} s"
        return [Finding(part, what, "relay would wait for it as well", "check its address and the network", late=True)]


def _bad_setting(problem: SettingProblem) -> Finding:
    where = f"{problem.where}: {problem.key}" if problem.key else problem.where
    return wrong("settings", f"{where}: {problem.what}", "relay does not start with these settings", problem.cure)


def _tell(findings: Sequence[Finding], *, as_json: bool) -> None:
    width = max(len(finding.part) for finding in findings)
    for before, finding in pairwise([None, *findings]):
        if finding is not None:
            typer.echo(to_json(finding.as_body()) if as_json else _written(finding, before, width))


def _written(finding: Finding, before: Finding | None, width: int) -> str:
    """A finding in words; why it matters is said once for all that follow one another."""
    why = finding.why if before is None or before.why != finding.why else None
    first = f"{'ok' if finding.ok else '!!'}  {finding.part:<{width}}  {finding.what}"
    return "\n".join([first, *(f"{'':{width + 6}}{more}" for more in (why, finding.cure) if more)])
