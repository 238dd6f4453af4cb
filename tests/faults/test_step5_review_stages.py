"""What a hostile reading of the moving side found, each with the smallest test that failed."""

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from relay.bus.channel import Loss
from relay.bus.link import Link, Received
from relay.bus.loopback import Loopback
from relay.bus.payloads import Publication
from relay.bus.rights import Rights
from relay.bus.trouble import Trouble
from relay.domain.errors import ErrorCode, Malformed, OutcomeUnknown, Problem, ProviderDetail, RelayError, TryLater
from relay.domain.messages import CallAnswer, Handover, OutboundCall, RawAnswer
from relay.domain.states import Fact
from relay.providers.att_sms.client import AttSmsLine
from relay.providers.att_sms.salvage import salvage
from relay.providers.att_sms.wire import read_inbox
from relay.rules.circuit import OPENS_AFTER
from relay.simulator.virtual import ManualClock
from relay.stages.sender import Sender
from relay.web.server import Deadlines
from tests.contract.journal.conftest import open_journal, place
from tests.contract.journal.desk import ME, PROBLEM, Desk, seen
from tests.unit.stages.house import ALERTS, ALICE, BOB, House, seconds, settled, until_rest
from tests.unit.web.test_public import HOOK, Caller, Listen, Shelf, listen, request, shelf

_ = (listen, open_journal, place, shelf)  # fixtures


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A small relay."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


@pytest.fixture
async def desk(open_journal: object) -> Desk:
    """An open journal, empty."""
    return await open_journal()  # type: ignore[operator,no-any-return] # it opens journals


async def in_doubt_and_again(desk: Desk) -> str:
    """A text of which nobody knows whether it was taken, and a later one like it that is being sent: its call."""
    await desk.send()
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM, evidence_within=60)
    await desk.send()
    return (await desk.claim()).call_id


async def test_the_web_hook_of_another_text_is_no_evidence(desk: Desk) -> None:
    """Two texts to one number said the same: the second one's hook, before its answer, passed off the first as sent."""
    second = await in_doubt_and_again(desk)
    assert (await desk.see(seen(ref="m-2", fact=Fact.SUBMITTED))).own == 0
    answer = CallAnswer(None, (Handover(Fact.SUBMITTED, "m-2"),))
    await desk.journal.calls.answered(second, ME, answer, first_look=None)
    assert (await desk.standing("key-1"), await desk.standing("key-2")) == (["uncertain"], ["submitted"])


async def test_evidence_that_waits_for_another_texts_answer_is_taken_with_it(desk: Desk) -> None:
    """The answer names another id, so that what was seen is the first one."""
    second = await in_doubt_and_again(desk)
    await desk.see(seen(ref="m-1", fact=Fact.SUBMITTED))
    answer = CallAnswer(None, (Handover(Fact.SUBMITTED, "m-2"),))
    await desk.journal.calls.answered(second, ME, answer, first_look=None)
    assert (await desk.standing("key-1"), await desk.standing("key-2")) == (["submitted"], ["submitted"])


async def test_one_text_in_a_mailbox_is_the_one_that_was_taken_for_certain(desk: Desk) -> None:
    """Where no answer names an id, the text that showed was taken for the older one, of which nobody knows."""
    await desk.send()
    await desk.journal.calls.unanswered((await desk.claim(unseen=True)).call_id, ME, PROBLEM)
    await desk.send()
    await desk.hand_over(await desk.claim(unseen=True), None, Fact.SUBMITTED_UNTRACKED, None)
    await desk.see(seen(ref="m-1"))
    assert await desk.standing("key-1") == ["uncertain"]
    await desk.see(seen(ref="m-2"))
    assert await desk.standing("key-1") == ["submitted"]


class Failing(AttSmsLine):
    """A line whose provider always fails, at one text or at all."""

    at: str | None = None
    error: RelayError = TryLater(Problem(ErrorCode.PROVIDER_ERROR, "it is unavailable", ProviderDetail(http=503)))

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Fail, or send."""
        if self.at in {None, call.message_id}:
            raise self.error
        return await super().send(call)


def failing(house: House) -> Failing:
    """Such a line."""
    line = house.sms()
    line.__class__ = Failing
    assert isinstance(line, Failing)
    return line


async def work(house: House, sender: Sender, for_seconds: float) -> None:
    """Let the sender work for so long."""
    until = house.clock.now() + timedelta(seconds=for_seconds)
    while (left := (until - house.clock.now()).total_seconds()) > 0:
        rest = await settled(sender)
        await house.clock.advance(min(max(seconds(rest), 0.001), left))
    await settled(sender)


@pytest.mark.parametrize("to", [ALICE, BOB])
async def test_one_text_that_the_provider_always_fails_at_stops_no_line(house: House, to: str) -> None:
    """It opened the circuit alone: all others waited for minutes, and those to its number for three days."""
    line = failing(house)
    line.at = (await house.send(ALICE)).message_id
    sender = house.sender(line)
    await work(house, sender, 3600)
    assert house.board.of(ALERTS).circuit is None
    await house.send(to)
    await work(house, sender, 1)
    assert house.accepted() == {to: 1}
    assert await house.standing("key-1") == {ALICE: "sending"}


async def test_a_provider_that_says_unknown_error_to_all_makes_a_handful_uncertain(house: House) -> None:
    """Landline's -1 is a word of its own, and leaves a text uncertain: with it in the answer all of them became so."""
    people = [f"+1206555{place:04}" for place in range(1, 21)]
    for person in people:
        await house.send(person, text=f"Dear {person}")
    line = failing(house)
    line.error = OutcomeUnknown(Problem(ErrorCode.UNCERTAIN, "Unknown Error", ProviderDetail(http=200, code="-1")))
    await settled(house.sender(line, window=1))
    assert house.board.of(ALERTS).circuit is not None
    left = [await house.standing(f"key-{place}") for place in range(1, 21)]
    assert [next(iter(one.values())) for one in left] == ["uncertain"] * OPENS_AFTER + ["queued"] * 17


class Echo:
    """A broker's connection that sends back what is published, and is slow to subscribe."""

    def __init__(self) -> None:
        self.up = True
        self.said: list[Publication] = []
        self.meanwhile = asyncio.Event()
        self.heard: Loopback | None = None

    async def subscribe(self, _: Sequence[str]) -> None:
        """Grant everything, once something else has happened."""
        await self.meanwhile.wait()

    def unsubscribe(self, _: Sequence[str]) -> None:
        """Nothing to do."""

    async def publish(self, what: Publication) -> None:
        """Keep it, and send it back."""
        self.said.append(what)
        assert self.heard is not None
        self.heard.heard(Received(1, 1, what.topic, what.payload, retain=False, dup=False))


async def test_a_state_that_changes_while_rights_are_looked_at_is_not_put_back() -> None:
    """The probe of a retained topic was its state from before the subscription: the broker kept that for good."""
    state = {"relay/line/alerts/status": b"ready"}
    link, rights = Echo(), Rights()
    link.heard = look = Loopback(
        state, lambda topic: Publication(topic, state[topic], retain=True), rights, ManualClock(), 1.0
    )
    looking = asyncio.create_task(look.look(cast("Link", link), list(state)))
    await asyncio.sleep(0)
    state["relay/line/alerts/status"] = b"unauthorized"
    link.meanwhile.set()
    await looking
    assert [one.payload for one in link.said] == [b"unauthorized"]
    assert rights.denied == ()


async def test_connections_that_come_and_go_do_not_fill_the_queues_of_those_who_are_away() -> None:
    """Each connection was a probe on each topic: a broker keeps so many for a reader, and drops the texts behind."""
    clock, link = ManualClock(), Echo()
    link.meanwhile.set()
    link.heard = look = Loopback(
        ["relay/line/alerts/message"], lambda topic: Publication(topic, b"{}"), Rights(), clock, 1.0
    )
    for _ in range(20):
        running = asyncio.create_task(look.run(cast("Link", link)))
        for _ in range(10):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await clock.advance(1)
    assert len(link.said) == 1
    running = asyncio.create_task(look.run(cast("Link", link)))
    await asyncio.sleep(0)
    await clock.advance(41)
    async with asyncio.timeout(5):
        while len(link.said) < 2:  # noqa: ASYNC110 - nobody tells when it has come about
            await asyncio.sleep(0)
    running.cancel()


@pytest.mark.parametrize("status", [401, 429])
async def test_looks_that_are_refused_are_one_warning(house: House, status: int) -> None:
    """Each of them was, as long as the credentials were refused or the line was throttled; nothing told the end."""
    for _ in range(3):
        await house.sent(ALICE)
    house.fault("status", operation="status", status=status, times=0)
    tracker = house.tracker(window=1)
    with capture_logs() as logs:
        for _ in range(20):
            await house.clock.advance(seconds(await settled(tracker)))
        house.simulator.world.faults.clear()
        for _ in range(20):
            await house.clock.advance(seconds(await settled(tracker)))
    loud = [line["event"] for line in logs if line["log_level"] in {"warning", "error"} and "status" in line["event"]]
    assert loud == ["status.failed"]
    assert [line["event"] for line in logs if line["event"] == "status.recovered"] == ["status.recovered"]


@pytest.mark.parametrize("absence", ["refused", "left"])
async def test_a_broker_that_falls_while_only_one_connection_stands_accuses_nobody(absence: str) -> None:
    """Each fall of a failing broker was that connection's alone: relay gave way to nobody, and condemned an event."""
    trouble = Trouble(ManualClock())
    for standing, other in (("commands", "node"), ("node", "commands")):
        if absence == "refused":
            trouble.refused(other, "unreachable", "nobody there")
        else:
            trouble.left(other)
        for _ in range(3):
            trouble.lost(standing, Loss("the connection broke"), idle=True)
        assert not trouble.contested(standing)
        assert not trouble.alone(standing, asyncio.get_running_loop().time())
        trouble.over(standing)
        trouble.over(other)
    trouble = Trouble(ManualClock())
    trouble.left("node")
    trouble.over("node")
    trouble.lost("commands", Loss("the connection broke"), idle=True)
    assert trouble.alone("commands", asyncio.get_running_loop().time())


async def test_an_inbox_that_never_answers_is_one_error_in_the_log(house: House) -> None:
    """Each fetch was one, for hours; each is told on the bus, as each may have cost a page."""
    house.fault("cut-before", operation="inbox", times=5)
    poller = house.poller()
    with capture_logs() as logs:
        for _ in range(10):
            await house.clock.advance(max(seconds(await until_rest(poller)), 0.001))
    assert len(await house.bodies("event.loss-suspected")) == 5
    loud = [line["event"] for line in logs if line["log_level"] in {"warning", "error"}]
    assert loud == ["inbox.loss_suspected", "inbox.failed"]
    assert [line["failures"] for line in logs if line["event"] == "inbox.recovered"] == [5]


async def test_crowds_that_come_and_go_do_not_fill_the_log(listen: Listen) -> None:
    """Each of them was two lines: whoever reached the listener could write as many as he liked."""
    listener = await listen(Deadlines(head=5.0))
    most = 4
    listener._server._server.most = most  # so that a few are a crowd
    with capture_logs() as logs:
        for _ in range(20):
            async with AsyncExitStack() as crowd:
                for _ in range(most + 2):
                    await crowd.enter_async_context(Caller(listener.port))
            async with Caller(listener.port) as good:
                assert (await good.ask(request())).status == 200
    told = [line["event"] for line in logs if "crowded" in line["event"]]
    assert told in (["listener.crowded"], ["listener.crowded", "listener.uncrowded"])


async def test_what_strangers_pack_is_not_unpacked(listen: Listen, shelf: Shelf) -> None:
    """A packed body of a megabyte, under any secret, held the whole process up for as long as a gigabyte takes."""
    packed = gzip.compress(bytes(200 << 20), 1)
    bomb = request("/hooks/office/wrong/receive", packed, "POST", "Content-Encoding: gzip")
    listener = await listen()
    before = time.process_time()
    for _ in range(10):
        async with Caller(listener.port) as caller:
            assert (await caller.ask(bomb)).status == 404
            await caller.end()
    assert time.process_time() - before < 1.0


async def test_a_packed_hook_of_the_providers_is_taken(listen: Listen, shelf: Shelf) -> None:
    """Under the right secret it is unpacked, as far as it may be large; a packing that is not known is refused."""
    async with Caller((await listen()).port) as caller:
        for packing, packed in (("gzip", gzip.compress(b"{}")), ("deflate", zlib.compress(b"{}"))):
            assert (await caller.ask(request(HOOK, packed, "POST", f"Content-Encoding: {packing}"))).status == 200
        assert (await caller.ask(request(HOOK, b"{}", "POST", "Content-Encoding: br"))).status == 415
    assert [raw.body for _, _, raw in shelf.kept] == [b"{}", b"{}"]


def test_what_a_text_quotes_is_no_message_of_a_damaged_page() -> None:
    """Of a page that broke off, a text in a CDATA section was read as two: one from whoever its sender wished."""
    forged = _MESSAGE.format(text="forged", sender="tel:+12065550199")
    texted = f"<![CDATA[x</inboundSMSMessage>{forged}]]>"
    page = "<inboundSMSMessageList>" + _MESSAGE.format(text=texted, sender="tel:+12065550101")
    raw = RawAnswer(page.encode(), "application/xml")
    with pytest.raises(Malformed):
        read_inbox("12345", raw)
    assert salvage("12345", raw).messages == ()


_MESSAGE = (
    "<inboundSMSMessage><DateTime>2026-11-21T09:00:00.000+0000</DateTime><MessageId>m</MessageId>"
    "<Message>{text}</Message><SenderAddress>{sender}</SenderAddress></inboundSMSMessage>"
)
