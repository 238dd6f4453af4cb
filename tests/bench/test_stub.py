"""The provider of benchmarks answers as the simulator does, as far as relay can tell."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bench.callers import status_hook, text_hook
from bench.clients import command
from bench.marks import mark, phone, read_times, ways
from bench.workers import Worker
from relay.domain.messages import RawAnswer
from relay.domain.states import Fact
from relay.providers.att_sms import callbacks, wire


@pytest.fixture
async def stub() -> AsyncIterator[Worker]:
    """One that has no latency."""
    async with Worker("bench.stub") as worker:
        yield worker


async def test_the_stub_speaks_what_relay_reads(stub: Worker, tmp_path: Path) -> None:
    """A send, its status once, an inbox in pages; and when what was sent arrived."""
    port = await stub.ask("listen")
    await stub.ask("set", follows=True, inbox=3, batch=2)
    base = f"http://127.0.0.1:{port}/sms/v3/messaging"
    request = {"address": [f"tel:{phone(0)}", f"tel:{phone(1)}"], "message": f"about {mark(41)}"}
    async with aiohttp.ClientSession() as session:

        async def got(path: str) -> tuple[int, RawAnswer]:
            async with session.get(base + path) as answer:
                return answer.status, RawAnswer(await answer.read(), answer.content_type)

        async with session.post(f"{base}/outbox", json={"outboundSMSRequest": request}) as answer:
            assert answer.status == 201
            ref = wire.sent_v3(RawAnswer(await answer.read(), answer.content_type))
        assert ref == f"SMS{42:016x}"
        reports = wire.read_status(ref, (await got(f"/outbox/{ref}"))[1])
        assert [(one.fact, one.address and one.address.value) for one in reports] == [
            (Fact.DELIVERED, phone(0)),
            (Fact.DELIVERED, phone(1)),
        ]
        assert (await got(f"/outbox/{ref}"))[0] == 404
        pages = [wire.read_inbox("12345", (await got("/inbox/12345"))[1]) for _ in range(2)]
        assert [(len(page.messages), page.pending) for page in pages] == [(2, 1), (1, 0)]
    counts = await stub.ask("counts")
    assert (counts["calls"], counts["recipients"], counts["taken"], counts["told"]) == (1, 2, 3, 2)
    assert await stub.ask("times", path=str(tmp_path / "times")) == 1
    assert [*read_times(tmp_path / "times")] == [41]


async def test_what_is_held_is_answered_when_it_is_let_go(stub: Worker) -> None:
    """So that a whole inbox waits until everything is ready."""
    port = await stub.ask("listen")
    await stub.ask("set", inbox=1)
    await stub.ask("hold")
    async with aiohttp.ClientSession() as session:
        asked = session.get(f"http://127.0.0.1:{port}/sms/v3/messaging/inbox/12345")
        async with session.post(f"http://127.0.0.1:{port}/oauth/v4/token", data={"grant_type": "x"}) as token:
            assert (await token.json())["access_token"]
        assert (await stub.ask("counts"))["taken"] == 0
        await stub.ask("release")
        async with asked as answer:
            assert len((await answer.json())["inboundSMSMessageList"]["inboundSMSMessage"]) == 1


def test_hooks_are_read_as_att_s() -> None:
    """A text, and what became of a copy."""
    text = callbacks.read_hook("message", RawAnswer(text_hook(7).encode()), short_code="12345").messages[0]
    assert text.sender.value == phone(7)
    assert mark(7) in (text.text or "")
    assert text.dedupe_key is not None
    report = callbacks.read_hook("delivery", RawAnswer(status_hook(51, 50).encode()), short_code="12345").reports[0]
    assert report.ref == f"SMS{2:016x}"
    assert report.address is not None
    assert report.address.value == phone(51)


def test_no_two_requests_say_the_same_or_go_to_the_same_number() -> None:
    """None travels with another in one call, and none waits for another."""
    requests = [json.loads(command(number, 50)) for number in range(3)]
    assert len({request["text"] for request in requests}) == len({request["id"] for request in requests}) == 3
    assert len({each for request in requests for each in request["to"]}) == 150


def test_ways_are_those_that_began_in_the_stretch() -> None:
    """Milliseconds; what never arrived has none."""
    assert ways({1: 0, 2: 1_000_000, 3: 2_000_000}, {1: 9, 2: 3_500_000}, 1, 5_000_000) == [2.5]
