"""`/metrics`: what Prometheus reads, from a real listener; nothing in it names a person, an id or a text."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from relay.domain.states import Fact
from relay.journal import Spool
from relay.providerkit.spec import ConsentStanding
from relay.rules.line import LineRules, Rules
from relay.telemetry.health import LineBoard, LineState
from relay.telemetry.meters import Meters
from relay.telemetry.metrics import METRICS
from relay.turns import BUS, UPKEEP, Turns, line_turn
from relay.web.admin import AdminListener
from relay.web.gauges import Sources
from relay.web.metrics import MetricsRoute
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, PROBLEM, START, Desk, SqlitePlace, delivered
from tests.unit.journal.spooling import MUCH, hook

Values = dict[tuple[str, tuple[str, ...]], float]


def sources(desk: Desk, board: LineBoard, lines: Mapping[str, Any] | None = None, **more: Any) -> Sources:
    """What is measured of a desk."""
    return Sources(desk.journal, board, desk.clock, {} if lines is None else lines, Meters(), **more)


@dataclass
class Monitor:
    """A journal, a board, and the address that is scraped."""

    desk: Desk
    board: LineBoard
    url: str
    lines: dict[str, Any]

    async def text(self, path: str = "/metrics") -> tuple[int, str]:
        """A page: status and body."""
        patience = aiohttp.ClientTimeout(5)
        async with aiohttp.ClientSession(timeout=patience) as http, http.get(f"{self.url}{path}") as answer:
            return answer.status, await answer.text()

    async def scraped(self) -> Values:
        """Every value by name and labels, as Prometheus's own parser reads it."""
        status, text = await self.text()
        assert status == 200
        families = text_string_to_metric_families(text)
        return {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}


def waiting(values: Values) -> Values:
    """What was read from the journal."""
    return {key: value for key, value in values.items() if METRICS.get(key[0], METRICS["relay_journal_full"]).is_shared}


class _Bus:
    """A bus that can publish, and is not heard on."""

    connected, listening = True, False


@dataclass
class _Polled:
    """A line whose inbox is polled, and whose token expires."""

    alias: str = LINE
    polls_inbox: bool = True
    poll_interval: float = 300.0
    loss_after: float = 1800.0
    token_expires_at: datetime | None = START + timedelta(hours=48)

    async def fetch_inbox(self) -> None:
        """Nobody asks."""

    def read_inbox(self, raw: object) -> None:
        """Nobody asks."""


@dataclass
class _Consenting:
    """A line that its subscriber has agreed to."""

    alias: str = "office"

    async def consent(self) -> ConsentStanding:
        """How it stands."""
        return ConsentStanding(given=True, since=START, renewable_until=START + timedelta(days=90))

    async def take_consent(self, *_: object) -> None:
        """Nobody asks."""

    consent_url = revoke_consent = take_consent


@pytest.fixture
async def monitor(tmp_path: Path) -> AsyncIterator[Monitor]:
    """Everything, listening."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    board = LineBoard(desk.clock, [LINE, "office"])
    listener = AdminListener("127.0.0.1", 0)
    lines: dict[str, Any] = {}
    turns = Turns(desk.journal, (BUS, UPKEEP, line_turn(LINE), line_turn("office")))
    disks = {"journal": tmp_path / "relay.db", "media": tmp_path / "not" / "yet", "spool": Path("x" * 300)}
    listener.mount(MetricsRoute(sources(desk, board, lines, bus=_Bus(), turns=turns, disks=disks)))
    async with listener:
        yield Monitor(desk, board, listener.url, lines)
    await desk.journal.aclose()


async def _doubt(desk: Desk) -> None:
    await desk.send(ALICE, BOB)
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)


async def test_what_is_set_aside_and_what_is_open_is_counted(monitor: Monitor) -> None:
    """Each kind and each status, also where there is none."""
    await _doubt(monitor.desk)
    await monitor.desk.send(text="another")
    values = await monitor.scraped()
    assert values["relay_set_aside", ("uncertain",)] == 2
    assert [values["relay_set_aside", (kind,)] for kind in ("raw", "event", "orphan", "damaged")] == [0] * 4
    assert values["relay_in_doubt_messages", (LINE,)] == 2
    assert values["relay_queue_messages", (LINE, "queued")] == 1
    assert values["relay_queue_messages", ("office", "queued")] == 0
    assert values["relay_unpublished_events", ()] == monitor.desk.journal.events.backlog() > 0
    assert values["relay_journal_full", ()] == 0


async def test_each_line_has_one_state(monitor: Monitor) -> None:
    """The others are 0, so that an alert can name the one that it is about."""
    monitor.board.report(LINE, "send", LineState.UNREACHABLE)
    monitor.board.circuit(LINE, {"since": "", "reason": "", "next_try_at": "", "failures": 3})
    values = await monitor.scraped()
    states = {labels: value for (name, labels), value in values.items() if name == "relay_line_state"}
    assert {labels for labels, value in states.items() if value} == {(LINE, "unreachable"), ("office", "ready")}
    assert len(states) == 2 * len(LineState)
    assert [values["relay_circuit_open", (line,)] for line in (LINE, "office")] == [1, 0]


async def test_no_label_names_a_person_an_id_or_a_text(monitor: Monitor) -> None:
    """Whatever waits."""
    await _doubt(monitor.desk)
    await monitor.desk.report(delivered("unheard of", fact=Fact.DELIVERED))
    await monitor.desk.journal.upkeep.give_up_parked(older_than=-1)
    _, text = await monitor.text()
    copies = await monitor.desk.uncertain()
    for secret in (ALICE.value, BOB.value, "Your order", "unheard of", *(one["copy_id"] for one in copies)):
        assert secret not in text


async def test_the_journal_is_not_asked_at_every_scrape(monitor: Monitor) -> None:
    """A few scrapes at once are one question, and what it counted holds for some seconds."""
    first, *others = await asyncio.gather(*(monitor.scraped() for _ in range(5)))
    await _doubt(monitor.desk)
    assert all(waiting(values) == waiting(first) for values in others)
    assert (await monitor.scraped())["relay_in_doubt_messages", (LINE,)] == 0


async def test_a_journal_that_cannot_be_read_leaves_the_rest(monitor: Monitor) -> None:
    """What is not known is not shown, so that nobody takes it for 0."""
    await monitor.desk.journal.aclose()
    values = await monitor.scraped()
    assert values["relay_line_state", (LINE, "ready")] == 1
    assert not any(name in {"relay_queue_messages", "relay_set_aside"} for name, _ in values)


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metric", "/metrics%2f"])
async def test_there_is_no_other_page(monitor: Monitor, path: str) -> None:
    """It is the one 404."""
    assert (await monitor.text(path))[0] == 404


async def test_a_node_with_a_spool_counts_what_waits_in_it(tmp_path: Path) -> None:
    """Of each node, its own; where there is none, nothing is counted."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    board = LineBoard(desk.clock, [LINE])
    listener = AdminListener("127.0.0.1", 0)
    async with await Spool.open(tmp_path / "spool.db", MUCH) as spool:
        listener.mount(MetricsRoute(sources(desk, board, spool=spool)))
        await spool.keep(hook())
        async with listener:
            monitor = Monitor(desk, board, listener.url, {})
            assert (await monitor.scraped())["relay_spool_hooks", ()] == 1
    await desk.journal.aclose()


async def test_a_node_without_a_spool_has_no_such_number(monitor: Monitor) -> None:
    """Its journal is a file."""
    assert ("relay_spool_hooks", ()) not in await monitor.scraped()


async def test_the_oldest_text_counts_since_it_was_due(monitor: Monitor) -> None:
    """One that waits for its time does not count; one that is tried again counts since it was accepted."""
    desk = monitor.desk
    await desk.send(send_at=START + timedelta(days=1))
    await desk.send(line="office")
    desk.clock.pass_(minutes=10)
    call = await desk.claim("office")
    await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 600)
    await desk.send(line="office")
    desk.clock.pass_(minutes=5)
    values = await monitor.scraped()
    assert values["relay_queue_oldest_age_seconds", (LINE,)] == 0
    assert values["relay_queue_oldest_age_seconds", ("office",)] == 300
    assert values["relay_queue_messages", (LINE, "scheduled")] == 1
    assert values["relay_queue_messages", ("office", "sending")] == 1
    assert values["relay_unpublished_oldest_age_seconds", ()] == 900


async def test_a_text_that_is_tried_again_and_again_counts_since_it_was_accepted(monitor: Monitor) -> None:
    """Each try puts off when it is due."""
    desk = monitor.desk
    await desk.send()
    for _ in range(2):
        call = await desk.claim()
        await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 600)
        desk.clock.pass_(minutes=10)
    call = await desk.claim()
    await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 600)
    assert (await monitor.scraped())["relay_queue_oldest_age_seconds", (LINE,)] == 1200


async def test_the_loss_clock_runs_since_the_inbox_was_read(monitor: Monitor) -> None:
    """It is shown by the node whose turn the line is, and below 0 once texts are discarded."""
    monitor.lines[LINE] = _Polled()
    assert ("relay_loss_clock_seconds", (LINE,)) not in await monitor.scraped()
    monitor.board.loss_at(LINE, START + timedelta(seconds=1800))
    monitor.desk.clock.pass_(seconds=1900)
    values = await monitor.scraped()
    assert values["relay_loss_clock_seconds", (LINE,)] == -100
    assert values["relay_provider_last_poll_success_timestamp_seconds", (LINE,)] == START.timestamp()
    assert values["relay_poll_interval_seconds", (LINE,)] == 300
    assert values["relay_token_expiry_timestamp_seconds", (LINE,)] == START.timestamp() + 48 * 3600


async def test_a_line_without_a_token_or_a_success_shows_none(monitor: Monitor) -> None:
    """What is not known is no 0."""
    monitor.lines[LINE] = _Polled(token_expires_at=None, polls_inbox=False)
    names = {name for name, _ in await monitor.scraped()}
    assert not [name for name in names if "timestamp" in name or name == "relay_poll_interval_seconds"]


async def test_consent_budget_and_hold_are_shown(monitor: Monitor) -> None:
    """As the journal and the lines have them."""
    monitor.lines |= {LINE: _Polled(), "office": _Consenting()}
    monitor.desk.journal.follow(Rules({LINE: LineRules(LINE, calls_per_month=100)}))
    await monitor.desk.send()
    await monitor.desk.claim()
    await monitor.desk.journal.steering.hold_line("office")
    values = await monitor.scraped()
    assert [values["relay_line_held", (line,)] for line in (LINE, "office")] == [0, 1]
    budget = [values[f"relay_budget_{name}", (LINE,)] for name in ("calls_spent", "calls_limit", "short")]
    assert budget == [1, 100, 0]
    assert values["relay_consent_given", ("office",)] == 1
    assert values["relay_consent_expiry_timestamp_seconds", ("office",)] == START.timestamp() + 90 * 86_400


async def test_the_node_shows_its_bus_its_turns_and_its_disks(monitor: Monitor) -> None:
    """A folder that is not there yet is on the disk of the one above it; what does not answer is not shown."""
    values = await monitor.scraped()
    assert [values[f"relay_mqtt_{name}", ()] for name in ("connected", "listening")] == [1, 0]
    assert {turn for (name, turn), value in values.items() if name == "relay_turn_held" and value} == {
        ("bus",),
        ("upkeep",),
        ("line:alerts",),
        ("line:office",),
    }
    sizes = {of: value for (name, of), value in values.items() if name == "relay_disk_size_bytes"}
    assert sizes.keys() == {("journal",), ("media",)}
    assert len(set(sizes.values())) == 1
    assert min(sizes.values()) >= values["relay_disk_free_bytes", ("journal",)] > 0


async def test_a_part_that_is_not_in_order_is_named(monitor: Monitor) -> None:
    """By its kind: a stage that reports for itself is called as the stage is."""
    monitor.board.report("office", "hooks", LineState.UNREACHABLE)
    monitor.board.report("office", "sender/office", LineState.SUSPENDED)
    monitor.board.report("office", "send", LineState.READY)
    values = await monitor.scraped()
    parts = {part: value for (name, (_, part)), value in _parts(values) if name == "relay_line_part_ready"}
    assert parts == {"hooks": 0, "sender": 0, "send": 1}


def _parts(values: Values) -> list[tuple[tuple[str, tuple[str, str]], float]]:
    return [((name, (of[0], of[1])), value) for (name, of), value in values.items() if len(of) == 2]


class _Silent(_Consenting):
    """A line of which nothing can be learned until somebody lets it speak."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.speaks = asyncio.Event()

    async def consent(self) -> ConsentStanding:
        """How it stands."""
        self.asked += 1
        await self.speaks.wait()
        return await super().consent()


async def test_a_scrape_does_not_wait_for_a_journal_that_stands_still(tmp_path: Path) -> None:
    """The rest is shown; however many scrapes come, the journal is asked once, and what it says at last is shown."""
    desk, line = await Desk.at(SqlitePlace(tmp_path / "relay.db")), _Silent()
    board, listener = LineBoard(desk.clock, ["office"]), AdminListener("127.0.0.1", 0)
    route = MetricsRoute(sources(desk, board, {"office": line}), patience=0.05)
    listener.mount(route)
    async with listener, asyncio.timeout(10):
        monitor = Monitor(desk, board, listener.url, {})
        for values in await asyncio.gather(monitor.scraped(), monitor.scraped()):
            assert values["relay_line_state", ("office", "ready")] == 1
            assert ("relay_queue_messages", ("office", "queued")) not in values
        line.speaks.set()
        while ("relay_consent_given", ("office",)) not in await monitor.scraped():
            assert line.asked == 1
    assert line.asked == 1
    await desk.journal.aclose()


async def test_lines_that_come_later_are_shown(monitor: Monitor) -> None:
    """And those that have gone are not."""
    monitor.lines["office"] = _Polled("office")
    assert ("relay_poll_interval_seconds", ("office",)) in await monitor.scraped()
    del monitor.lines["office"]
    assert ("relay_poll_interval_seconds", ("office",)) not in await monitor.scraped()
