"""Settings that were read again are judged whole, before anything is touched."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from relay.providerkit.spec import Line, LineContext, TakesHooks
from relay.settings import BadSettings, SettingProblem
from relay.wiring.core import Core, core
from relay.wiring.judging import judged
from tests.unit.wiring.test_rules import LANDLINE, PROVIDERS, SMS, Load, load

__all__ = ["load"]  # a fixture

CLOSED: list[str] = []


def closing(line: Line) -> Line:
    """The line; its end is noted."""
    close = line.aclose

    async def aclose() -> None:
        CLOSED.append(line.alias)
        await close()

    line.aclose = aclose  # type: ignore[method-assign] # the line itself stays what it is
    return line


def connect(context: LineContext) -> Line:
    """A short code's line; one whose name says so cannot be connected."""
    if context.alias.startswith("bad"):
        key = f"lines.{context.alias}.short_code"
        raise BadSettings([SettingProblem("settings", key, "is nobody's", "take another")])
    return closing(PROVIDERS["att-sms"].connect(context))


@asynccontextmanager
async def running(load: Load, lines: Mapping[str, Any]) -> AsyncIterator[Core]:
    """What runs with these lines."""
    CLOSED.clear()
    providers = {**PROVIDERS, "att-sms": replace(PROVIDERS["att-sms"], connect=connect)}
    async with core(await load(lines), providers) as base:
        yield base


async def test_only_what_is_needed_is_connected(load: Load) -> None:
    """The lines that run stay those that run, until the plan is made."""
    async with running(load, {"alerts": SMS, "office": LANDLINE}) as base:
        before = dict(base.lines)
        wanted = await load({"office": LANDLINE | {"window": 3}, "second": SMS | {"short_code": "54321"}})
        plan = await judged(base, wanted)
        found = plan.difference
        assert (found.added, found.removed, found.changed) == (("second",), ("alerts",), ("office",))
        assert dict(base.lines) == before
        assert set(plan.fresh) == {"second", "office"}
        hooked = {alias for alias, line in plan.fresh.items() if isinstance(line, TakesHooks)}
        assert set(plan.secrets) == hooked
        assert base.secrets["office"].current == plan.secrets["office"].current
        assert base.settings.lines["office"].window != 3
        assert CLOSED == []
    assert CLOSED.count("second") == 1


async def test_every_line_that_cannot_be_connected_is_told_and_none_is_left_open(
    load: Load,
) -> None:
    """Those that run are not touched."""
    async with running(load, {"alerts": SMS}) as base:
        wanted = await load({"alerts": SMS | {"window": 3}, "bad-1": SMS, "bad-2": SMS, "second": SMS})
        with pytest.raises(BadSettings) as refused:
            await judged(base, wanted)
        assert [problem.key for problem in refused.value.problems] == [
            "lines.bad-1.short_code",
            "lines.bad-2.short_code",
        ]
        assert sorted(CLOSED) == ["alerts", "second"]
        assert list(base.lines) == ["alerts"]


async def test_rules_that_a_line_cannot_follow_are_refused(load: Load) -> None:
    """As at the start."""
    async with running(load, {"alerts": SMS}) as base:
        with pytest.raises(BadSettings) as refused:
            await judged(base, await load({"alerts": SMS | {"calls_per_day": 10}}))
        assert [problem.key for problem in refused.value.problems] == ["lines.alerts.calls_per_day"]
        assert CLOSED == ["alerts"]


async def test_nothing_to_be_done_costs_nothing(load: Load) -> None:
    """The same settings again."""
    async with running(load, {"alerts": SMS}) as base:
        plan = await judged(base, await load({"alerts": SMS}))
        assert (plan.difference.has_lines, plan.fresh, plan.settings) == (False, {}, base.settings)
