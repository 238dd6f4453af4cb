"""Thousands of requests with the same words share calls; each keeps its own result, receipts and metadata."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from tests.system.ledgers import compare
from tests.system.world import World, world

LINES = """
[lines.alerts]
provider = "att-sms"
base_url = "{att}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "{directory}/app_secret"
company = "40s"
"""
SPEED = 4.0  # so that a text waits ten real seconds for others, and a call is full long before that
PER_CALL = 50
SHARE_MORE_THAN = 1.1  # calls that left before they were full
CLIENTS = 7
AT_ONCE = 500  # requests without an answer
TEXT = "The doors open at seven."
FATES = {"handset": {"fates": False}}  # every text is delivered


class Told:
    """What a subscriber heard of many requests: each event is looked at once, however often it is asked."""

    def __init__(self, made: World) -> None:
        self._heard = made.ears.heard
        self._seen = 0
        self.results: dict[str, dict[str, Any]] = {}
        self.receipts: dict[str, list[dict[str, Any]]] = {}
        self.topics: dict[str, set[str]] = {}

    def look(self) -> None:
        """Look at what is new."""
        for topic, event in self._heard[self._seen :]:
            data = event.get("data", {})
            if topic.startswith("relay/line/alerts/result"):
                self.results[data["request_id"]] = data
                self.topics.setdefault(data["request_id"], set()).add(topic)
            elif topic.startswith("relay/line/alerts/receipt"):
                self.receipts.setdefault(data["copy_id"], []).append(data)
                self.topics.setdefault(data["request_id"], set()).add(topic)
        self._seen = len(self._heard)

    def finals(self) -> int:
        """How many copies have ended."""
        self.look()
        return sum(receipts[-1]["final"] for receipts in self.receipts.values())


@pytest.mark.timeout(1800)  # its own waits are bounded; the machine may be slow
async def test_the_same_words_to_many_numbers_share_calls(
    tmp_path: Path, free_port: Callable[[], int], long: bool, record_property: Callable[[str, object], None]
):
    """Ten thousand requests for one recipient each are some two hundred calls, and nobody can tell but by those."""
    count = 10_000 if long else 600
    requests = {
        f"door-{number}": {
            "id": f"door-{number}",
            "to": f"+1312555{number:04}",
            "text": TEXT,
            "metadata": {"guest": number},
        }
        for number in range(count)
    }
    async with world(tmp_path, free_port, speed=SPEED, lines=LINES, modes=FATES) as made:
        await made.relay.start()
        await made.listening()
        began, told = time.monotonic(), Told(made)
        await _publish(made, told, list(requests.values()))
        published = time.monotonic() - began
        await made.ears.until(lambda: told.finals() >= count, within=600.0, what="every copy has ended")
        ended = time.monotonic() - began
        found = compare(made, requests, [])
        calls = Counter(line["request"] for line in made.accepted())

    record_property("found", f"{len(calls)} calls for {count} requests; {published:.0f} s, {ended:.0f} s")
    assert (found.unanswered, found.endless, found.unsent, found.doubled, found.uncertain) == ([], [], [], [], 0)
    assert made.violations() == []
    assert sum(calls.values()) == count
    assert max(calls.values()) == PER_CALL
    assert len(calls) <= count / PER_CALL * SHARE_MORE_THAN
    for number, (request_id, request) in enumerate(requests.items()):
        _assert_its_own(told, number, request_id, request)


def _assert_its_own(told: Told, number: int, request_id: str, request: dict[str, Any]) -> None:
    """A request has its result and its receipts, on its client's topics, with what it asked for."""
    result = told.results[request_id]
    [copy] = result["copies"]
    receipts = told.receipts[copy["copy_id"]]
    assert (result["outcome"], result["metadata"], copy["to"]) == ("accepted", request["metadata"], request["to"])
    assert [receipt["final"] for receipt in receipts] == [False] * (len(receipts) - 1) + [True]
    assert receipts[-1]["status"] == "delivered"
    assert {receipt["request_id"] for receipt in receipts} == {request_id}
    assert {receipt["message_id"] for receipt in receipts} == {result["message_id"]}
    assert all(receipt["metadata"] == request["metadata"] for receipt in receipts)
    client = _client(number)
    assert told.topics[request_id] == {f"relay/line/alerts/{kind}/{client}" for kind in ("result", "receipt")}


def _client(number: int) -> str:
    return f"client-{number % CLIENTS}"


async def _publish(made: World, told: Told, requests: list[dict[str, Any]]) -> None:
    """Publish them all, many without waiting for an answer; a broker keeps only so many for who is slower."""

    def roomy(published: int) -> bool:
        told.look()
        return published - len(told.results) < AT_ONCE

    async with (
        aiomqtt.Client(
            "127.0.0.1", made.broker.port, protocol=aiomqtt.ProtocolVersion.V5, max_inflight_messages=AT_ONCE
        ) as client,
        asyncio.TaskGroup() as publishing,
    ):
        for number, request in enumerate(requests):
            await made.ears.until(partial(roomy, number), within=120.0, what="requests are answered")
            topic = f"relay/line/alerts/send/{_client(number)}"
            publishing.create_task(client.publish(topic, json.dumps(request), qos=1, timeout=60))
