"""What the operator wants of each line becomes its rules; what the line cannot do is told before anything runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from relay.clock import SystemClock
from relay.ids import Ids
from relay.providerkit.spec import Line, LineContext
from relay.providers import discover
from relay.rules.hours import SendingHours
from relay.rules.line import LineRules, Rules, Scope
from relay.settings import BadSettings, Settings, load_settings
from relay.wiring.core import core, journal_limits
from relay.wiring.rules import calls_kept, rules_of
from tests.memory import Memory

PROVIDERS = discover()
MODELS = {name: provider.settings for name, provider in PROVIDERS.items()}
SMS = {"provider": "att-sms", "short_code": "12345", "app_key": "key", "app_secret": "secret"}
LANDLINE = {"provider": "att-landline", "number": "+12065550100", "session": "session"}
IN_APP = {"provider": "att-inapp", "number": "+12065550150", "app_key": "key", "app_secret": "secret"}

Tree = Mapping[str, Any]
Load = Callable[..., Awaitable[Settings]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Makes settings of lines, and of further tables."""
    (tmp_path / "relay.toml").write_text("")

    async def make(lines: Tree, **tables: Tree) -> Settings:
        tree = {"bus": {"url": "mqtt://127.0.0.1:1"}, "lines": lines, **tables}
        tree["journal"] = {"url": f"sqlite:///{tmp_path}/relay.db"}
        path = tmp_path / "relay.toml"
        return await asyncio.to_thread(load_settings, path=path, environment={}, line_models=MODELS, overrides=tree)

    return make


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Mapping[str, Line]]:
    """The lines, connected; nothing is called."""
    clock = SystemClock()
    lines = {
        alias: PROVIDERS[own.provider].connect(LineContext(alias, own, Memory(), clock, Ids(clock)))
        for alias, own in settings.lines.items()
    }
    try:
        yield lines
    finally:
        for line in lines.values():
            await line.aclose()


async def rules(settings: Settings) -> Rules:
    """The rules of all lines."""
    async with connected(settings) as lines:
        return rules_of(settings, lines)


async def refusals(settings: Settings) -> list[tuple[str, str, str]]:
    """What is told of settings that the lines cannot follow: key, what is wrong, the cure."""
    with pytest.raises(BadSettings) as refused:
        await rules(settings)
    return [(problem.key, problem.what, problem.cure) for problem in refused.value.problems]


async def test_what_is_set_are_the_rules(load: Load) -> None:
    """Each setting under its own name."""
    limits = {"calls_per_second": 2.5, "calls_per_day": 5000, "calls_per_month": 90_000}
    own = {"hours": "08:00-21:00", "zone": "America/Denver", "group": "shop", "urgent_any_time": True, "company": "2s"}
    made = await rules(await load({"office": LANDLINE | own | limits}, optout={"scope": "group"}))
    assert made.scope is Scope.GROUP
    assert made.of("office") == LineRules(
        line="office",
        group="shop",
        hours=SendingHours.parse("08:00-21:00"),
        urgent_any_time=True,
        zones=(ZoneInfo("America/Denver"),),
        calls_per_second=2.5,
        calls_per_day=5000,
        calls_per_month=90_000,
        calls_kept=0,
        company=2.0,
    )


async def test_without_settings_a_line_has_att_s_own_limit_alone(load: Load) -> None:
    """A million calls a month for the two services of AT&T's gateway; Landline Texting names none."""
    made = await rules(await load({"alerts": SMS, "office": LANDLINE, "desk": IN_APP}))
    assert {alias: line.calls_per_month for alias, line in made.lines.items()} == {
        "alerts": 1_000_000,
        "office": None,
        "desk": 1_000_000,
    }
    assert made.of("office") == LineRules("office")
    assert made.scope is Scope.ALL


@pytest.mark.parametrize(
    ("own", "calls"),
    [
        (SMS, 288),
        (SMS | {"poll_interval": "29m"}, 50),
        (SMS | {"receive": "callback"}, 0),
        (LANDLINE, 0),
        (IN_APP, 1440),
        (IN_APP | {"sync_interval": 7}, 12_343),
        (IN_APP | {"sync": False}, 0),
    ],
)
async def test_the_calls_of_a_day_that_reading_needs_are_counted(own: Tree, calls: int, load: Load) -> None:
    """A look each interval; no look is cut short, and web hooks cost nothing."""
    async with connected(await load({"line": own})) as lines:
        assert calls_kept(lines["line"]) == calls
    assert (await rules(await load({"line": own}))).of("line").calls_kept == calls


async def test_a_reply_is_planned_by_the_line_that_will_send_it(load: Load) -> None:
    """As the provider's limits have it: the same words are one text here, and one in another alphabet there."""
    replies = {"stop": "You are unsubscribed.", "help": "Магазин. Ответьте STOP."}
    made = (await rules(await load({"alerts": SMS | {"replies": replies}}))).of("alerts").replies
    assert {keyword: reply.text for keyword, reply in made.items()} == replies
    assert {keyword: (reply.plan.encoding, reply.plan.segments) for keyword, reply in made.items()} == {
        "stop": ("gsm-7", 1),
        "help": ("ucs-2", 1),
    }


async def test_replies_that_cannot_be_sent_are_all_told_with_their_limits(load: Load) -> None:
    """Not when the first subscriber says STOP."""
    lines = {
        "alerts": SMS | {"replies": {"stop": "x" * 5000, "start": "Welcome back."}},
        "office": LANDLINE | {"mms": False, "replies": {"help": "y" * 300}},
    }
    (sms, too_long, cure), (landline, needs_mms, _) = await refusals(await load(lines))
    assert (sms, landline) == ("lines.alerts.replies.stop", "lines.office.replies.help")
    assert "AT&T takes at most 4096" in too_long
    assert "250" in needs_mms
    assert cure == "write one that the line can send"
    assert "xx" not in too_long
    assert "yy" not in needs_mms


async def test_a_line_that_only_reads_has_no_replies(load: Load) -> None:
    """Its scope lets it read the message store, and nothing more."""
    reading = IN_APP | {"scope": "MIM", "replies": {"stop": "You are unsubscribed."}}
    [(key, what, _)] = await refusals(await load({"desk": reading}))
    assert (key, what) == ("lines.desk.replies.stop", "cannot be sent: this line only reads: its scope has no IMMN")


async def test_a_line_that_cannot_send_has_no_replies(load: Load) -> None:
    """Such as one of a provider that only hands texts in."""
    settings = await load({"office": LANDLINE | {"replies": {"stop": "You are unsubscribed."}}})
    with pytest.raises(BadSettings) as refused:
        rules_of(settings, {"office": Ear()})
    [problem] = refused.value.problems
    assert str(problem) == ("settings: lines.office.replies.stop: cannot be sent: the line only receives; leave it out")


@pytest.mark.parametrize(("key", "most"), [("calls_per_day", 288), ("calls_per_month", 288 * 31)])
async def test_a_limit_that_reading_would_use_up_is_refused(key: str, most: int, load: Load) -> None:
    """The line would never send, and never say so."""
    [(named, what, cure)] = await refusals(await load({"alerts": SMS | {key: most}}))
    assert named == f"lines.alerts.{key}"
    assert what == f"leaves no call to send with: reading what comes in takes {most} calls of it"
    assert cure.startswith(f"set more than {most}")
    assert (await rules(await load({"alerts": SMS | {key: most + 1}}))).of("alerts").calls_kept == 288


async def test_the_journal_follows_the_rules_before_anything_runs(load: Load) -> None:
    """What nobody can follow stops relay at its start, and leaves the journal closed."""
    unfit = SMS | {"replies": {"stop": "x" * 5000}}
    with pytest.raises(BadSettings, match=r"replies\.stop"):
        async with core(await load({"alerts": unfit}), PROVIDERS):
            pass
    async with core(await load({"alerts": SMS | {"hours": "08:00-21:00"}}), PROVIDERS) as made:
        assert made.journal._core.standing.now == rules_of(made.settings, made.lines)
        assert made.journal._core.standing.now.of("alerts").hours == SendingHours.parse("08:00-21:00")


async def test_the_queues_limits_are_the_journals(load: Load) -> None:
    """Each under its own name."""
    queue = {"max_copies": 3, "max_copies_per_line": 2, "max_copies_per_client": 1}
    limits = journal_limits(await load({"alerts": SMS}, queue=queue))
    assert (limits.waiting_copies, limits.waiting_per_line, limits.waiting_per_client) == (3, 2, 1)


class Ear:
    """A line that only receives."""

    alias, provider, number = "office", "pigeon", "+12065550100"

    async def verify(self) -> str:
        """Nothing to try."""
        return "it listens"

    async def aclose(self) -> None:
        """Nothing to close."""
