"""A request's life, from `mosquitto_pub` to its final receipts, and what becomes of bad ones."""

import asyncio
import json

import pytest

from tests.system.world import World

SEND = "relay/line/alerts/send"


async def mosquitto_pub(world: World, topic: str, payload: str) -> None:
    """Publish as an operator would, at a shell."""
    process = await asyncio.create_subprocess_exec(
        "mosquitto_pub", "-p", str(world.broker.port), "-q", "1", "-t", topic, "-s", stdin=asyncio.subprocess.PIPE
    )
    await process.communicate(payload.encode())
    assert process.returncode == 0


async def test_a_request_is_answered_once_and_followed_to_its_end(running: World):
    """One result, receipts with rising sequence, one final receipt a copy; AT&T is called once."""
    request = {"id": "order-1", "to": ["+12065550001", "206 555 0002"], "text": "life", "metadata": {"a": 1}}
    await mosquitto_pub(running, SEND, json.dumps(request))

    result = await running.ears.result("order-1")
    final = await running.ears.final(result["message_id"], 2)

    assert (result["outcome"], result["calls"], result["idempotent"]) == ("accepted", 1, True)
    assert [copy["to"] for copy in result["copies"]] == ["+12065550001", "+12065550002"]
    assert {receipt["status"] for receipt in final} == {"delivered"}
    assert all(receipt["metadata"] == {"a": 1} for receipt in final)
    about = [event for kind in ("result", "receipt") for event in running.ears.events(kind)]
    sequences = [event["sequence"] for event in about if event["subject"] == result["message_id"]]
    assert sorted(sequences) == list(range(min(sequences), min(sequences) + len(sequences)))
    assert len(running.accepted("life")) == 2


async def test_lookup_tells_how_a_request_stands(running: World):
    """`lookup` answers with the copies as they are now."""
    await running.publish(SEND, {"id": "order-2", "to": "+12065550001", "text": "look"})
    result = await running.ears.result("order-2")
    await running.ears.final(result["message_id"], 1)

    await running.publish("relay/line/alerts/lookup", {"id": "order-2"})
    found = await running.ears.result("order-2", count=2)

    assert found["outcome"] == "found"
    assert [(copy["to"], copy["status"]) for copy in found["copies"]] == [("+12065550001", "delivered")]


async def test_the_same_id_again_is_answered_and_not_sent(running: World):
    """The first result comes again with `replayed`; no second call reaches AT&T."""
    request = {"id": "order-3", "to": "+12065550001", "text": "once"}
    await running.publish(SEND, request)
    first = await running.ears.result("order-3")
    await running.ears.final(first["message_id"], 1)
    await running.publish(SEND, request)
    second = await running.ears.result("order-3", count=2)

    assert (second["outcome"], second["replayed"], second["message_id"]) == ("accepted", True, first["message_id"])
    assert len(running.accepted("once")) == 1


async def test_the_same_id_with_another_body_is_a_conflict(running: World):
    """Nothing is sent for it, and the first request stands."""
    await running.publish(SEND, {"id": "order-4", "to": "+12065550001", "text": "mine"})
    await running.ears.result("order-4")
    await running.publish(SEND, {"id": "order-4", "to": "+12065550001", "text": "other"})
    second = await running.ears.result("order-4", count=2)

    assert (second["outcome"], second["error"]["code"]) == ("rejected", "conflict")
    assert running.accepted("other") == []


BAD = {
    "broken JSON": (b'{"to": ["+12065550001"', "invalid_json"),
    "no object": (b'["+12065550001"]', "invalid_request"),
    "wrong types": (b'{"to": 12065550001, "text": {"a": 1}}', "invalid_request"),
    "unknown field": (b'{"to": "+12065550001", "txt": "hello"}', "invalid_request"),
    "51 kB of nesting": (b"[" * 26_000 + b"]" * 26_000, "invalid_json"),
    "lone surrogate": (b'{"to": "+12065550001", "text": "\\ud800"}', "invalid_json"),
    "bad number": (b'{"to": "911", "text": "hello"}', "invalid_recipient"),
    "empty": (b"", "invalid_json"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_request_is_rejected_once_and_the_next_is_served(running: World, name: str):
    """One clear `rejected` each; nothing else is disturbed."""
    payload, code = BAD[name]
    await running.publish(SEND, payload)
    await running.publish(SEND, {"id": "good", "to": "+12065550001", "text": "good"})
    good = await running.ears.result("good")
    rejected = [event["data"] for event in running.ears.events("result") if event["data"]["outcome"] == "rejected"]

    assert good["outcome"] == "accepted"
    assert [result["error"]["code"] for result in rejected] == [code]
    await running.ears.final(good["message_id"], 1)


async def test_a_retained_command_is_refused(running: World):
    """A retained request would be sent again at every start; it is answered, and not sent."""
    await running.publish(SEND, {"id": "kept", "to": "+12065550001", "text": "kept"}, retain=True)
    result = await running.ears.result("kept")

    assert (result["outcome"], result["error"]["code"]) == ("rejected", "retained_command")
    assert running.accepted("kept") == []


async def test_a_stop_while_calls_are_in_flight_loses_nothing(running: World):
    """SIGTERM ends with exit code 0, the node says `stopped`, and what was not sent is sent by the next life."""
    await running.publish(SEND, {"id": "big", "to": [f"+1206555{n:04}" for n in range(50, 2050, 100)], "text": "big"})
    result = await running.ears.result("big")
    assert await running.relay.stop() == 0
    await running.ears.until(
        lambda: (
            ("relay/node/relay-1/status", "offline", "stopped")
            in [(topic, body.get("state"), body.get("reason")) for topic, body in running.ears.heard]
        )
    )
    await running.relay.start()
    final = await running.ears.final(result["message_id"], 20)

    assert {receipt["status"] for receipt in final} == {"delivered"}
    assert len(running.accepted("big")) == 20
