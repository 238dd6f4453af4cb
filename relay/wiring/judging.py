"""settings that were read again -> what would have to be done, judged as a whole before anything is touched."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from relay.hookaddresses import HookSecrets
from relay.journal import JournalError
from relay.providerkit.spec import Line
from relay.settings import BadSettings, SettingProblem, Settings
from relay.settings.difference import Difference, difference, with_lines
from relay.wiring.core import Core
from relay.wiring.rules import rules_of


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        difference: what is different.
        settings: those in use, with the new lines.
        fresh: the lines that come, or take the place of others, connected.
        secrets: theirs.
    """

    difference: Difference
    settings: Settings
    fresh: Mapping[str, Line]
    secrets: Mapping[str, HookSecrets]


async def judged(base: Core, wanted: Settings) -> Plan:
    """The way from what is running to what is wanted. The lines that it needs are connected, and nothing else is done.

    Raises:
        BadSettings: something of it cannot be; no line was left open.
    """
    found = difference(base.settings, wanted)
    settings = with_lines(base.settings, wanted.lines) if found.has_lines else base.settings
    async with AsyncExitStack() as unless_taken:
        fresh, problems = dict[str, Line](), list[SettingProblem]()
        for alias in (*found.added, *found.changed):
            try:
                fresh[alias] = base.connected(alias, settings.lines[alias])
            except BadSettings as bad:
                problems += bad.problems
            else:
                unless_taken.push_async_callback(base.lines.close, fresh[alias])
        if problems:
            raise BadSettings(problems)
        rules_of(settings, {alias: fresh.get(alias) or base.lines[alias] for alias in settings.lines})
        plan = Plan(found, settings, fresh, await _secrets(base, settings, fresh))
        unless_taken.pop_all()
    return plan


async def _secrets(base: Core, settings: Settings, fresh: Mapping[str, Line]) -> Mapping[str, HookSecrets]:
    try:
        return await base.secrets_for(settings, fresh) if fresh else {}
    except JournalError as error:
        raise BadSettings(
            [SettingProblem("journal", "", f"it cannot be written now: {error}", "reload once it can, or restart")]
        ) from None
