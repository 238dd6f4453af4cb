"""Stages of two nodes over one PostgreSQL, at the moments at which work goes from the one to the other."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import psycopg
import pytest
from structlog.testing import capture_logs

from relay.bus.config import BusSettings
from relay.bus.mqtt import Bus
from relay.clock import SystemClock
from relay.domain.addresses import outbound
from relay.domain.announcements import Announcement
from relay.domain.errors import ErrorCode, Problem, RefusedForNow
from relay.domain.mailbox import MailChanges, MailEntry
from relay.domain.messages import InboxPage, OutboundCall, Plan, RawAnswer, SendRequest
from relay.eventshare import Everything, TurnsShare
from relay.hookaddresses import TakenSecrets
from relay.ids import Ids
from relay.journal import Journal, JournalFenced
from relay.providers import discover
from relay.settings import Settings, load_settings
from relay.stagekit import Standing
from relay.stages.inturn import InTurn
from relay.stages.leftovers import Leftovers
from relay.stages.locksmith import Locksmith
from relay.stages.poller import Poller
from relay.stages.publisher import Publisher
from relay.stages.sender import Sender
from relay.telemetry.health import LineBoard
from relay.telemetry.notify import Notifier
from relay.turns import BUS, line_turn
from relay.wiring.core import core
from relay.wiring.serving import serve
from tests.brokers import Mosquitto
from tests.contract.journal.desk import text
from tests.databases import Database, borrowed
from tests.nodes.cluster import eventually
from tests.postgres import Server
from tests.unit.stages.house import ALERTS, ALICE, OFFICE
from tests.unit.stages.nodes import LINES, WITHIN, Node, beating, running

PROVIDERS = discover()
TURN = line_turn(ALERTS)
PLAN = Plan("gsm-7", 1, 1)
TEXT = "Your order is on its way."


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with relay's tables."""
    with borrowed() as database:
        yield database


class Inbox:
    """A line whose inbox is empty, and whose provider takes its time."""

    alias = ALERTS
    number = ALICE
    poll_interval = 3600.0
    loss_after = 7200.0
    polls_inbox = True

    def __init__(self) -> None:
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def fetch_inbox(self) -> RawAnswer:
        """In its own time."""
        self.asked.set()
        await self.may_answer.wait()
        return RawAnswer(b"{}")

    def read_inbox(self, raw: RawAnswer) -> InboxPage:
        """Nothing."""
        del raw
        return InboxPage(())


def polling(node: Node, line: Any) -> InTurn:
    """What polls in a node's turn."""
    made = partial(Poller, line, node.standing)
    return InTurn(TURN, node.turns, made, name="poller", board=node.board, line=ALERTS)


async def suspected(node: Node) -> list[Any]:
    """The losses that were announced."""
    events = [event for _, event in await node.journal.events.follow(0, 1000)]
    return [event for event in events if event.kind == "event.loss-suspected"]


async def test_a_turn_that_is_given_up_during_a_poll_tells_of_no_loss(database: Database) -> None:
    """The page was kept and read before the turn was given back: whoever polls next knows that."""
    async with beating(database, "first", TURN) as first:
        await first.has(TURN)
        line, successor = Inbox(), Inbox()
        async with running(first, polling(first, line)):
            await asyncio.wait_for(line.asked.wait(), WITHIN)
            async with beating(database, "second", TURN) as second, running(second, polling(second, successor)):
                await eventually(lambda: first.turns._others)
                first.turns.stop()
                line.may_answer.set()
                await second.has(TURN)
                # It keeps the interval: the poll before is known to it.
                with suppress(TimeoutError):
                    await asyncio.wait_for(successor.asked.wait(), 1)
                assert await suspected(second) == []
                assert not successor.asked.is_set()


def request(*, redelivered: bool) -> SendRequest:
    """A text without an id."""
    return SendRequest(
        line=ALERTS, client=None, key=None, digest="d", to=(outbound(ALICE),), text=TEXT, redelivered=redelivered
    )


async def accept(journal: Journal, *, redelivered: bool) -> Any:
    """As the consumer has it accepted."""
    return await journal.commands.accept(request(redelivered=redelivered), PLAN, [None], "bytes", heard_under=BUS)


async def test_a_command_without_an_id_that_a_buried_node_still_held_is_not_taken_twice(database: Database) -> None:
    """The broker has delivered it again to the next node, which took it; the first wakes up within its own taking."""
    async with beating(database, "first", BUS) as first, beating(database, "second", BUS) as second:
        gone = second.journal.listen("nodes")
        await first.stands_still()
        await second.has(BUS)
        # Buried: else it would live on as soon as it beats.
        while len(await second.journal.nodes.living()) > 1:
            await asyncio.wait_for(gone.wait(), WITHIN)
        assert (await accept(second.journal, redelivered=True)).outcome == "accepted"
        with pytest.raises(JournalFenced):
            await accept(first.journal, redelivered=False)


async def test_a_command_of_a_turn_that_another_node_has_by_now_is_left_to_that_one(database: Database) -> None:
    """Nobody was buried: the database was away from all, and the other came back first."""
    async with beating(database, "first", BUS, lease=60.0) as first:
        await first.has(BUS)
        async with beating(database, "second", BUS, lease=60.0) as second:
            with database._connected() as connection:
                connection.execute("UPDATE lease SET until = 0")
                # The first may just have beaten because the second joined.
                while BUS not in (await second.journal.nodes.beat([BUS])).held:
                    connection.execute("UPDATE lease SET until = 0")
            assert (await accept(second.journal, redelivered=True)).outcome == "accepted"
            with pytest.raises(JournalFenced):
                await accept(first.journal, redelivered=False)
            # What its own operator asks for comes from no broker.
            own = await first.journal.commands.accept(request(redelivered=False), PLAN, [None], "bytes")
            assert own.outcome == "accepted"


class Spammer:
    """A line whose provider takes it for a spammer."""

    alias = ALERTS
    number = ALICE

    def __init__(self) -> None:
        self.calls = 0
        self.refuses = True

    async def send(self, call: OutboundCall) -> Any:
        """Refuse it for good."""
        del call
        self.calls += 1
        raise RefusedForNow(Problem(ErrorCode.SPAM_BLOCKED, "taken for a spammer"), 3600.0)


async def queue(node: Node, key: str) -> None:
    """Have a text wait."""
    asked = SendRequest(line=ALERTS, client=None, key=key, digest=key, to=(outbound(ALICE),), text=TEXT, ttl=86_400.0)
    await node.journal.commands.accept(asked, PLAN, [None])


async def test_a_line_that_the_provider_blocks_rests_on_all_nodes(database: Database) -> None:
    """Each text that is tried meanwhile is refused for good, whichever node tries it."""
    async with beating(database, "first", TURN) as first, beating(database, "second", TURN) as second:
        lines: list[Any] = [Spammer(), Spammer()]
        one, other = (
            Sender(line, node.standing, owner=node.journal.owner, window=1)
            for line, node in zip(lines, (first, second), strict=True)
        )
        # Both have looked for a block, and found none.
        await other.step()
        heard = second.journal.listen(f"pause:{ALERTS}")
        async with running(first, one):
            await queue(first, "first")
            await asyncio.wait_for(heard.wait(), WITHIN)
            await queue(first, "second")
            await other.step()
            await other.step()
            await other.drain(WITHIN)
        assert [line.calls for line in lines] == [1, 0]
        assert second.board.of(ALERTS).state == first.board.of(ALERTS).state
        assert await second.journal.memory(ALERTS).get("send.block") is not None


async def test_what_a_dead_node_kept_for_a_line_that_only_it_knows_waits_for_it(database: Database) -> None:
    """While settings are rolled out, the one node that has the new line already may fall."""
    async with beating(database, "old", TURN) as old:
        async with beating(database, "new", TURN) as new:
            await new.journal.raw.keep("fresh", "hook", "receive", "", RawAnswer(b"a text"))
        await Leftovers({}, old.standing).step()
        [kept] = await old.journal.raw.unread("fresh", source="hook")
        assert kept.raw.body == b"a text"


class NoBroker:
    """A bus whose broker is away, after `taken` events."""

    connected = False

    async def wait_connected(self) -> None:
        """For ever."""
        await asyncio.Event().wait()


async def test_a_turn_whose_events_wait_for_the_broker_is_given_up_at_once(database: Database) -> None:
    """The next node may reach the broker, and has its own word of it."""
    async with beating(database, "first", TURN) as first:
        await first.has(TURN)
        bus: Any = NoBroker()
        share = TurnsShare(first.journal, first.turns, LINES)
        publisher = Publisher(first.standing, bus=bus, share=share)
        async with running(first, publisher), beating(database, "second", TURN) as second:
            await eventually(lambda: first.turns._others and first.turns._users[TURN])
            first.turns.stop()
            await asyncio.wait_for(second.has(TURN), 5)


class SlowBroker(NoBroker):
    """A bus that never hears of the first event, and takes what comes then."""

    connected = True

    def __init__(self) -> None:
        self.asked, self.taken = asyncio.Event(), asyncio.Event()

    async def wait_connected(self) -> None:
        """At once."""

    def topic_of(self, event: Announcement) -> str:
        """One for all."""
        return f"relay/{event.kind}"

    def send(self, event: Announcement, settled: Callable[[None], None]) -> Callable[[], None]:
        """The first time it never hears of it."""
        del event
        if self.asked.is_set():
            self.taken.set()
            asyncio.get_running_loop().call_soon(settled, None)
        self.asked.set()
        return self.asked.set


class Regained(Everything):
    """All events, by a turn that was lost and came back."""

    has_changed = False

    def change(self) -> None:
        """It is as it was."""
        self.has_changed = False


async def test_an_event_that_was_under_way_as_the_turn_went_is_published_once_it_is_back(database: Database) -> None:
    """The broker said nothing of it in time, and the same node has the turn again."""
    async with beating(database, "first", TURN) as node:
        bus: Any = SlowBroker()
        share = Regained(node.journal)
        await node.journal.events.announce(ALERTS, "read", {"number": 1})
        async with running(node, Publisher(node.standing, bus=bus, share=share)):
            await asyncio.wait_for(bus.asked.wait(), WITHIN)
            share.has_changed = True
            node.journal.ring("events")
            await asyncio.wait_for(bus.taken.wait(), WITHIN)


def settings_of(node: str, database: Database, folder: Path, secret: str = "a" * 32) -> Settings:
    """Of a node with one line that is called back."""
    line = {"provider": "att-landline", "number": "+12065550100", "session": "session", "webhook_secret": secret}
    tree = {
        "bus": {"url": "mqtt://127.0.0.1:1"},
        "node": {"name": node, "lease": 2},
        "journal": {"url": database.url, "spool": str(folder / f"{node}.db")},
        "lines": {OFFICE: line},
        "admin": {"listen": "127.0.0.1:0", "socket": str(folder / f"{node}.sock")},
        "webhooks": {"listen": "127.0.0.1:0"},
    }
    path = folder / "relay.toml"
    path.write_text("")
    models = {name: provider.settings for name, provider in PROVIDERS.items()}
    return load_settings(path=path, environment={}, line_models=models, overrides=tree)


async def test_a_secret_that_another_node_has_begun_with_is_taken_at_once(database: Database, tmp_path: Path) -> None:
    """While new settings are rolled out the provider calls every node under the new secret."""
    old = await asyncio.to_thread(settings_of, "first", database, tmp_path, "a" * 32)
    new = await asyncio.to_thread(settings_of, "second", database, tmp_path, "b" * 32)
    async with core(old, PROVIDERS) as base:
        secrets = TakenSecrets(base.secrets)
        standing = Standing(base.journal, LineBoard(base.clock, base.lines), base.clock, base.ids)
        locksmith = Locksmith(secrets, standing)
        await locksmith.step()
        rest = await locksmith.step()
        async with core(new, PROVIDERS):
            assert rest is not None
            await asyncio.wait_for(rest.over(base.clock), WITHIN)
            await locksmith.step()
            assert secrets.of(OFFICE, base.clock.now()) == ("a" * 32, "b" * 32)
        assert secrets.of("nobody", base.clock.now()) is None


def away(database: Database) -> None:
    """Give every node up for dead, and take no new connection."""
    with psycopg.connect(database.server.url(database.name, user="postgres"), autocommit=True) as own:
        database.server.execute("ALTER DATABASE relay ALLOW_CONNECTIONS false")
        own.execute("UPDATE node SET ended_at = until")


async def test_a_life_that_cannot_begin_because_the_database_is_away_is_tried_again(tmp_path: Path) -> None:
    """It was fenced as the database went away: the process stays, and goes on as soon as it is back."""
    with Server() as server:
        await asyncio.to_thread(server.create_database, "relay")
        database = Database(server, "relay")
        own = await asyncio.to_thread(settings_of, "first", database, tmp_path)
        stop, began = asyncio.Event(), asyncio.Event()
        lives = serve(own, PROVIDERS, notifier=Notifier(None), stop=stop, use_peer_key=lambda _: began.set())
        with capture_logs() as logged:
            serving = asyncio.create_task(lives)
            await asyncio.wait_for(began.wait(), WITHIN)
            began.clear()
            await eventually(lambda: "turn.taken" in [line["event"] for line in logged])
            # It hears that it was given up for dead, and finds nobody to begin anew with.
            await asyncio.to_thread(away, database)
            await eventually(lambda: serving.done() or "node.waits" in [line["event"] for line in logged])
            await asyncio.to_thread(server.execute, "ALTER DATABASE relay ALLOW_CONNECTIONS true")
            await asyncio.wait_for(began.wait(), WITHIN)
            stop.set()
            await asyncio.wait_for(serving, WITHIN)
        assert [line["event"] for line in logged].count("relay.started") == 2


async def test_a_command_of_a_former_turn_comes_from_the_broker_once_more(tmp_path: Path) -> None:
    """Another node may have had it between the two turns: only the broker knows whether it is still to be done."""
    terms = [1]
    async with Mosquitto(tmp_path, persistent=True) as broker:
        settings = BusSettings(url=broker.url, node="first", timeout=5.0)
        clock = SystemClock()
        async with Bus(settings, LINES, clock, Ids(clock), may_hear=lambda: terms[-1]) as bus:
            await eventually(lambda: bus.listening)
            async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                await client.publish("relay/line/alerts/send", b"{}", qos=1)
            await eventually(lambda: not bus._intake._deliveries.empty())
            terms.append(2)
            delivery = await asyncio.wait_for(bus.next_command(), WITHIN)
            assert delivery.redelivered
            delivery.ack()


async def test_a_listing_of_a_turn_that_another_node_has_by_now_deletes_nothing(database: Database) -> None:
    """It is older than what that node has taken in: a message that came since is not on it, and is not gone."""
    async with beating(database, "first", TURN, lease=60.0) as first:
        await first.has(TURN)
        async with beating(database, "second", TURN, lease=60.0) as second:
            with database._connected() as connection:
                connection.execute("UPDATE lease SET until = 0")
            await second.journal.nodes.beat([TURN])
            mine, stale = second.journal.mailbox, first.journal.mailbox
            came = MailEntry("m-1", is_unread=True, is_incoming=True)
            await mine.compared(ALERTS, [came], "c2", unpublished_before=None, under=TURN)
            [arrival] = await second.journal.arrivals.due(ALERTS, 10)
            await second.journal.arrivals.whole(arrival, text("m-1"))
            with pytest.raises(JournalFenced):
                await stale.compared(ALERTS, [], "c1", unpublished_before=None, under=TURN)
            with pytest.raises(JournalFenced):
                await stale.changed(ALERTS, MailChanges("c1", deleted=("m-1",)), under=TURN)
            await mine.changed(ALERTS, MailChanges("c3"), under=TURN)
            told = [event.kind for _, event in await second.journal.events.follow(0, 100)]
            assert told == ["message"]
