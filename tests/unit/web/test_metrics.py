"""`/metrics`: what Prometheus reads, from a real listener; nothing in it names a person, an id or a text."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from relay.domain.states import Fact
from relay.journal import Spool
from relay.telemetry.health import LineBoard, LineState
from relay.web.admin import AdminListener
from relay.web.metrics import MetricsRoute
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, PROBLEM, Desk, SqlitePlace, delivered
from tests.unit.journal.spooling import MUCH, hook

Values = dict[tuple[str, tuple[str, ...]], float]


@dataclass
class Monitor:
    """A journal, a board, and the address that is scraped."""

    desk: Desk
    board: LineBoard
    url: str

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


@pytest.fixture
async def monitor(tmp_path: Path) -> AsyncIterator[Monitor]:
    """Everything, listening."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    board = LineBoard(desk.clock, [LINE, "office"])
    listener = AdminListener("127.0.0.1", 0)
    listener.mount(MetricsRoute(desk.journal, board))
    async with listener:
        yield Monitor(desk, board, listener.url)
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
    assert values["relay_copies", (LINE, "uncertain")] == 2
    assert values["relay_copies", (LINE, "queued")] == 1
    assert values["relay_copies", ("office", "queued")] == 0
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
    assert all(values == first for values in others)
    assert (await monitor.scraped())["relay_copies", (LINE, "uncertain")] == 0


async def test_a_journal_that_cannot_be_read_leaves_the_rest(monitor: Monitor) -> None:
    """What is not known is not shown, so that nobody takes it for 0."""
    await monitor.desk.journal.aclose()
    values = await monitor.scraped()
    assert values["relay_line_state", (LINE, "ready")] == 1
    assert not any(name in {"relay_copies", "relay_set_aside"} for name, _ in values)


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
        listener.mount(MetricsRoute(desk.journal, board, spool))
        await spool.keep(hook())
        async with listener:
            monitor = Monitor(desk, board, listener.url)
            assert (await monitor.scraped())["relay_spool_hooks", ()] == 1
    await desk.journal.aclose()


async def test_a_node_without_a_spool_has_no_such_number(monitor: Monitor) -> None:
    """Its journal is a file."""
    assert ("relay_spool_hooks", ()) not in await monitor.scraped()
