"""B8, B9: commands that come twice, and commands that nobody could obey: each is answered once, and none comes back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.battery.brokering import ALICE, LogWatch, Post, Wire, post
from tests.battery.table import Row

Found = Callable[[Row], None]
SEND = "relay/line/alerts/send"


def body(**more: Any) -> bytes:
    """A request that would do, but for what is said here."""
    return json.dumps({"to": ALICE, "text": "Hello", **more}).encode()


POISON = {
    "broken JSON": (b'{"to": ', "invalid_json"),
    "nothing": (b"", "invalid_json"),
    "no UTF-8": (b'{"to": "\xff\xfe"}', "invalid_json"),
    "a raw NUL": (b'{"to": "\0"}', "invalid_json"),
    "NUL, escaped": (body(text="a\0b"), "invalid_request"),
    "a lone surrogate": (body(text="\ud83d"), "invalid_json"),
    "an array": (b"[1, 2]", "invalid_request"),
    "wrong types": (body(to=5, text={"a": 1}), "invalid_request"),
    "an unknown field": (body(txet="Hello"), "invalid_request"),
    "depth": (b"[" * 100_000, "invalid_json"),
    "depth in a field": (body(metadata={"a": 1}).replace(b"1", b"[" * 5000 + b"]" * 5000), "invalid_json"),
    "an endless number": (body(metadata={"a": 1}).replace(b": 1}", b": 1e999}"), "invalid_json"),
    "a long number": (body(metadata={"a": 1}).replace(b": 1}", b": " + b"9" * 5000 + b"}"), "invalid_json"),
    "10 MB": (body(text="x" * 10_000_000), "too_large"),
}


def results(it: Post) -> list[dict[str, Any]]:
    """What was answered, in order."""
    return [event["data"] for event in it.made.ears.events("result")]


async def rejected(it: Post, payload: bytes, topic: str = SEND, **more: Any) -> dict[str, Any]:
    """Publish what cannot be obeyed; the answer."""
    count = len(results(it))
    await it.made.publish(topic, payload, **more)
    await it.answers(count + 1)
    return results(it)[-1]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_poison_is_answered_once_with_a_reason_and_never_comes_back(
    tmp_path: Path, free_port: Callable[[], int], found: Found, logs: LogWatch, protocol: str
) -> None:
    """Good commands between them are obeyed; after a new connection none of the bad ones is there again."""
    wires: list[Wire] = []
    settings = f'protocol = "{protocol}"'
    async with post(tmp_path, free_port, logs, wire=wires.append, bus=settings) as it:
        wrong: dict[str, Any] = {}
        for name, (payload, code) in POISON.items():
            answer = await rejected(it, payload)
            if (answer["outcome"], (answer["error"] or {}).get("code")) != ("rejected", code):
                wrong[name] = answer
        retained = await rejected(it, body(id="retained"), retain=True)
        misnamed = await rejected(it, body(), topic=f"{SEND}/")
        # Nobody of these is spoken to.
        for topic in (
            f"{SEND}/a/b",
            "relay/line/nobody/send",
            "relay/line/alerts/obey",
            "relay/line//send",
            "relay/send",
        ):
            await it.made.publish(topic, body())
        await it.ask(3)
        await it.answered()
        count = len(results(it))
        for number in range(2):
            await wires[0].cut()
            await logs.until("bus.restored", number + 1)
            if protocol != "5" and number == 0:  # a retained command looks like any other until it is heard again
                await it.answers(count + 1)
                retained, count = results(it)[-1], count + 1
        await it.ask()
        await it.answered()
        again = len(results(it)) - count - 1
        lost, doubled = it.lost_and_doubled()
        taken = len(logs.of("command.taken"))
    assert wrong == {}
    assert (retained["error"]["code"], misnamed["error"]["code"]) == ("retained_command", "invalid_request")
    assert (again, taken) == (0, len(POISON) + 6 + (protocol != "5"))
    assert set(logs.troubles()) == {"bus.lost"}
    found(
        Row(
            "B9", f"poison commands, MQTT {protocol}", len(POISON) + 7, lost, doubled + again, note="each answered once"
        )
    )


@pytest.mark.parametrize("key", [{"id": "order-1"}, {}], ids=["with an id", "without an id"])
async def test_a_command_whose_acknowledgement_was_lost_is_sent_once(
    tmp_path: Path, free_port: Callable[[], int], found: Found, logs: LogWatch, key: dict[str, str]
) -> None:
    """It is on disk when the connection breaks; the broker delivers it again, and it has its first answer again."""
    wires: list[Wire] = []
    async with post(tmp_path, free_port, logs, wire=wires.append) as it:
        [wire] = wires
        wire.swallow(up=True, down=False)
        await it.made.publish(SEND, body(**key))
        await logs.until("command.taken")
        wire.heal()
        await wire.cut()
        again = await logs.until("command.taken", 2)
        await it.made.ears.until(lambda: len(results(it)) >= 2, what="both answers")
        first, second = results(it)[:2]
        await it.made.ears.final(first["message_id"], 1)
        sent = len(it.made.accepted())
    assert (again["replayed"], second["replayed"], second["message_id"]) == (True, True, first["message_id"])
    name = "with an id" if key else "without an id"
    found(Row("B8", f"acknowledgement lost, request {name}", 1, int(sent < 1), sent - 1, note="second answer replayed"))


async def test_a_request_that_its_client_publishes_again_is_sent_once(
    tmp_path: Path, free_port: Callable[[], int], found: Found, logs: LogWatch
) -> None:
    """Ten times at once, as after a publisher's own loss of the broker: one send, and ten answers that say the same."""
    times = 10
    async with post(tmp_path, free_port, logs) as it:
        for _ in range(times):
            await it.made.publish(SEND, body(id="order-1"))
        await it.made.ears.until(lambda: len(results(it)) >= times, what="all answers")
        answers = results(it)
        await it.made.ears.final(answers[0]["message_id"], 1)
        sent = len(it.made.accepted())
    assert len({answer["message_id"] for answer in answers}) == 1
    assert [answer["replayed"] for answer in answers] == [False] + [True] * (times - 1)
    found(Row("B8", "request published again", times, int(sent < 1), sent - 1))
