"""Each line's web hooks: listed, installed, repaired and removed at a small provider, over a real journal."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.domain.errors import ErrorCode, Problem, TryLater
from relay.domain.messages import HookReading, RawAnswer
from relay.hookaddresses import hook_addresses, hook_prefix
from relay.ids import Ids
from relay.journal import Journal
from relay.providerkit.spec import InstalledHook
from relay.simulator.virtual import ManualClock
from relay.webhooks import LEASE, HookKeeper, HooksRefused, Webhooks
from tests import journals

OFFICE = "office"
SECRET, FORMER = "secret-0123456789", "former-0123456789"
FIRST, SECOND = "https://a.example", "https://b.example"
EVENTS = ("receive", "send")
FOREIGN = InstalledHook("900", "receive", "https://crm.example.com/in", "POST")


@dataclass
class Office:
    """A line whose provider keeps web hooks as it is told, and says what it was told."""

    hooks: dict[str, InstalledHook] = field(default_factory=lambda: {FOREIGN.provider_id: FOREIGN})
    calls: list[str] = field(default_factory=list)
    trouble: TryLater | None = None
    pause: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    alias: str = OFFICE
    provider: str = "small"
    number: str = "+12065550100"
    hook_events: tuple[str, ...] = EVENTS

    async def verify(self) -> str:
        """Nothing to try."""
        return "fine"

    async def aclose(self) -> None:
        """Nothing to close."""

    def read_hook(self, event: str, raw: RawAnswer) -> HookReading:
        """Nothing is read here."""
        raise AssertionError((event, raw))

    async def list_hooks(self) -> Sequence[InstalledHook]:
        """Everything there is."""
        self.calls.append("list")
        self.asked.set()
        if self.pause:
            await self.pause.wait()
        if self.trouble:
            raise self.trouble
        return list(self.hooks.values())

    async def install_hook(self, event: str, url: str) -> None:
        """One more."""
        self.calls.append("install")
        provider_id = str(len(self.calls))
        self.hooks[provider_id] = InstalledHook(provider_id, event, url, "POST")

    async def update_hook(self, provider_id: str, url: str) -> None:
        """One otherwise."""
        self.calls.append("update")
        self.hooks[provider_id] = InstalledHook(provider_id, self.hooks[provider_id].event, url, "POST")

    async def remove_hook(self, provider_id: str) -> None:
        """One less."""
        self.calls.append("remove")
        self.hooks.pop(provider_id, None)

    @property
    def own(self) -> list[tuple[str, str]]:
        """Event and address of all but the foreign one."""
        return sorted((hook.event, hook.url) for hook in self.hooks.values() if hook != FOREIGN)


@pytest.fixture
def clock() -> ManualClock:
    """Time that the test moves."""
    return ManualClock()


@pytest.fixture
async def journal(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Journal]:
    """A journal whose leases run on the same time."""
    ids = Ids(clock, random.Random(7))  # noqa: S311 - chance that repeats
    url = f"sqlite:///{tmp_path}/relay.db"
    with capture_logs():
        await asyncio.to_thread(journals.lay, tmp_path / "relay.db")
        async with await Journal.open(url, clock=clock, ids=ids, node="n1", real=clock) as journal:
            yield journal


@pytest.fixture
def office() -> Office:
    """A line, and one foreign web hook."""
    return Office()


def wanted(*hosts: str, secret: str = SECRET) -> list[tuple[str, str]]:
    """What the line wants."""
    return sorted(hook_addresses(hosts or (FIRST,), OFFICE, secret, EVENTS))


def keeper(office: Office, journal: Journal, *hosts: str, secret: str = SECRET, node: str = "n1") -> HookKeeper:
    """A node's keeper of the line's hooks, as it is made at a start."""
    hosts = hosts or (FIRST,)
    prefixes = [hook_prefix(host, OFFICE) for host in hosts]
    return HookKeeper(office, wanted(*hosts, secret=secret), prefixes, journal=journal, node=node)


def repairs(changes: list[dict[str, str]]) -> list[str]:
    """What was done."""
    return [change["repair"] for change in changes]


async def states(hooks: Webhooks) -> list[tuple[str, str]]:
    """Event and state of every row."""
    return sorted((row["event"], row["state"]) for row in await hooks.rows())


async def test_what_is_wanted_is_listed_beside_what_is_there(office: Office, journal: Journal) -> None:
    """Before anything was done all of it is missing, and somebody else's is foreign."""
    hooks = Webhooks({OFFICE: keeper(office, journal)}, {})
    assert await states(hooks) == [("receive", "foreign"), ("receive", "missing"), ("send", "missing")]
    assert repairs(await hooks.install(OFFICE)) == ["installed", "installed"]
    assert await states(hooks) == [("receive", "foreign"), ("receive", "ok"), ("send", "ok")]
    rows = {row["provider_id"]: row for row in await hooks.rows()}
    assert rows["900"] == {
        "line": OFFICE,
        "event": "receive",
        "url": FOREIGN.url,
        "provider_id": "900",
        "state": "foreign",
        "reason": None,
    }


async def test_several_hosts_have_one_hook_an_event_each(office: Office, journal: Journal) -> None:
    """Two hosts and two events are four hooks."""
    await keeper(office, journal, FIRST, SECOND).install()
    assert office.own == wanted(FIRST, SECOND)


async def test_what_is_wrong_is_listed_and_repaired(office: Office, journal: Journal) -> None:
    """A former secret, a method that is not taken, one too many; the foreign one is as it was."""
    hooks = Webhooks({OFFICE: keeper(office, journal)}, {})
    for place, (event, url) in enumerate([*wanted(secret=FORMER), wanted()[0]]):
        office.hooks[f"1{place}"] = InstalledHook(f"1{place}", event, url, "GET")
    assert await states(hooks) == [
        ("receive", "foreign"),
        ("receive", "wrong"),
        ("receive", "wrong"),
        ("send", "wrong"),
    ]
    done = await hooks.repair(OFFICE)
    assert sorted((change["hook"], change["host"], change["repair"]) for change in done) == [
        ("receive", "a.example", "removed"),
        ("receive", "a.example", "updated"),
        ("send", "a.example", "updated"),
    ]
    assert office.own == wanted()
    assert office.hooks["900"] == FOREIGN
    assert repairs(await hooks.repair(OFFICE)) == []


async def test_what_was_done_is_told_without_secrets(office: Office, journal: Journal) -> None:
    """It goes to the bus and to a terminal."""
    done = await Webhooks({OFFICE: keeper(office, journal)}, {}).install(OFFICE)
    assert SECRET not in str(done)
    assert done[0] == {"hook": "receive", "host": "a.example", "repair": "installed"}


async def test_removed_hooks_stay_away_until_they_are_asked_for(office: Office, journal: Journal) -> None:
    """Over restarts as well: the line's memory knows that they were removed on purpose."""
    hooks = Webhooks({OFFICE: keeper(office, journal)}, {})
    await hooks.install(OFFICE)
    assert repairs(await hooks.remove(OFFICE)) == ["removed", "removed"]
    assert list(office.hooks.values()) == [FOREIGN]
    started = keeper(office, journal)
    assert await started.mend() is None
    assert office.own == []
    with pytest.raises(HooksRefused, match="relay webhooks install"):
        await started.repair()
    assert await states(Webhooks({OFFICE: started}, {})) == [
        ("receive", "foreign"),
        ("receive", "missing"),
        ("send", "missing"),
    ]
    await started.install()
    assert await keeper(office, journal).mend() == []
    assert office.own == wanted()


async def test_a_removal_that_is_cut_off_is_finished_by_the_next(office: Office, journal: Journal) -> None:
    """It is written down before the first call, so that the installer does not put back what was removed."""
    hooks = keeper(office, journal)
    await hooks.install()
    office.trouble = TryLater(Problem(ErrorCode.UNREACHABLE, "it cannot be reached"))
    with pytest.raises(TryLater):
        await hooks.remove()
    office.trouble = None
    assert await keeper(office, journal).mend() is None
    assert len(office.own) == 2
    await hooks.remove()
    assert office.own == []


async def test_hooks_of_a_host_that_is_no_longer_named_are_moved(office: Office, journal: Journal) -> None:
    """What relay has installed is remembered; without that they would be somebody else's for ever."""
    await keeper(office, journal, FIRST, SECOND).install()
    await keeper(office, journal, "https://c.example").mend()
    assert office.own == wanted("https://c.example")


async def test_a_former_host_is_forgotten_once_nothing_of_ours_is_there(office: Office, journal: Journal) -> None:
    """What somebody else installs there later is theirs."""
    await keeper(office, journal, SECOND).install()
    await keeper(office, journal, FIRST).mend()
    theirs = InstalledHook("901", "receive", f"{SECOND}/hooks/{OFFICE}/x/receive", "POST")
    office.hooks["901"] = theirs
    await keeper(office, journal, FIRST).mend()
    assert office.hooks["901"] == theirs


async def test_nodes_change_hooks_one_after_the_other(office: Office, journal: Journal) -> None:
    """While one is at it the other neither mends nor does what it is told; then it may."""
    one, other = keeper(office, journal, node="n1"), keeper(office, journal, node="n2")
    office.pause = asyncio.Event()
    mending = asyncio.create_task(one.mend())
    async with asyncio.timeout(5):
        await office.asked.wait()
    assert await other.mend() is None
    with pytest.raises(HooksRefused, match="another node"):
        await other.install()
    office.pause.set()
    assert await mending
    calls = office.calls.count("install")
    assert await other.mend() == []
    assert await other.install() == []
    assert office.calls.count("install") == calls


async def test_a_node_that_died_at_it_keeps_the_others_away_for_a_while_only(
    office: Office, journal: Journal, clock: ManualClock
) -> None:
    """Until its lease is over."""
    assert await journal.leases.acquire(f"hooks/{OFFICE}", "n1", LEASE)
    other = keeper(office, journal, node="n2")
    assert await other.mend() is None
    await clock.advance(LEASE + 1)
    assert await other.mend()


async def test_a_look_that_is_cut_lets_the_others_go_on(office: Office, journal: Journal) -> None:
    """As when relay stops in the middle of it."""
    one, other = keeper(office, journal, node="n1"), keeper(office, journal, node="n2")
    office.pause = asyncio.Event()
    mending = asyncio.create_task(one.mend())
    async with asyncio.timeout(5):
        await office.asked.wait()
    mending.cancel()
    await asyncio.wait([mending])
    office.pause.set()
    assert await other.mend()


async def test_a_node_that_lost_its_lease_changes_nothing_more(
    office: Office, journal: Journal, clock: ManualClock
) -> None:
    """While it waited for the provider's list, another one took over."""
    one = keeper(office, journal, node="n1")
    office.pause = asyncio.Event()
    mending = asyncio.create_task(one.mend())
    await office.asked.wait()
    await clock.advance(LEASE + 1)
    assert await journal.leases.acquire(f"hooks/{OFFICE}", "n2", LEASE)
    office.pause.set()
    assert await mending == []
    assert office.own == []


async def test_two_who_ask_at_once_do_not_install_twice(office: Office, journal: Journal) -> None:
    """A second hook would have everything delivered twice."""
    hooks = keeper(office, journal)
    await asyncio.gather(hooks.install(), hooks.mend(), hooks.repair())
    assert office.own == wanted()
    assert office.calls.count("install") == 2


async def test_whoever_changes_hooks_wakes_the_installer(office: Office, journal: Journal) -> None:
    """It need not wait ten minutes to know."""
    bell = journal.listen(f"hooks:{OFFICE}")
    await keeper(office, journal).install()
    async with asyncio.timeout(1):
        await bell.wait()


async def test_a_provider_that_cannot_be_asked_hides_no_other_line(office: Office, journal: Journal) -> None:
    """Its rows say what is wanted, and why nothing is known."""
    office.trouble = TryLater(Problem(ErrorCode.UNREACHABLE, "it cannot be reached"))
    by_hand = {"alerts": [("message", "/hooks/alerts/x/message")], "desk": [("consent", f"{FIRST}/consent/desk/x")]}
    rows: list[dict[str, Any]] = await Webhooks({OFFICE: keeper(office, journal)}, by_hand).rows()
    assert [(row["line"], row["event"], row["state"], row["reason"]) for row in rows] == [
        ("alerts", "message", "by-hand", None),
        ("desk", "consent", "by-hand", None),
        (OFFICE, "receive", "unknown", "it cannot be reached"),
        (OFFICE, "send", "unknown", "it cannot be reached"),
    ]


@pytest.mark.parametrize(("line", "why"), [("alerts", "by hand"), ("nosuch", "there is no such line")])
async def test_what_relay_does_not_install_is_refused_with_a_reason(line: str, why: str) -> None:
    """For such a line there is nothing to install, repair or remove."""
    hooks = Webhooks({}, {"alerts": [("message", "/hooks/alerts/x/message")]})
    for act in (hooks.install, hooks.repair, hooks.remove):
        with pytest.raises(HooksRefused, match=why):
            await act(line)
