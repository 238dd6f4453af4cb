"""Published again: whoever missed what was said hears it, under the same ids, and nobody is texted for it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import aiomqtt

from tests.system.test_cli import run, socket_of
from tests.system.world import World, world


async def _missed(made: World, port: int) -> list[str]:
    """Somebody who comes only now: the ids that he hears, until `count` of them have come."""
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as late:
        for topic in ("result", "receipt", "message", "event/+"):
            await late.subscribe(f"relay/line/+/{topic}", qos=1)
        code, said = await run("replay", "--since", "1h", *socket_of(made))
        assert (code, said.split()[1:]) == (0, ["events", "published", "again"])
        count = int(said.split()[0])
        async with asyncio.timeout(20):
            return [json.loads(bytes((await anext(late.messages)).payload))["id"] for _ in range(count)]


async def test_whoever_comes_late_hears_everything_in_order(tmp_path: Path, free_port: Callable[[], int]):
    """By the command line; each event has the id and the body that it had, and AT&T is asked for nothing."""
    async with world(tmp_path, free_port, speed=60) as made:
        await made.relay.start()
        await made.listening()
        for place in range(3):
            await made.publish("relay/line/alerts/send", {"id": f"r-{place}", "to": "2065550101", "text": f"t {place}"})
            await made.ears.final((await made.ears.result(f"r-{place}"))["message_id"], 1)
        made.text_in("+12065550177", "12345", "hello")
        await made.ears.until(lambda: made.ears.events("message"), what="the text")
        accepted = len(made.accepted())
        before = {event["id"]: event for _, event in made.ears.heard if "id" in event}
        heard = await _missed(made, made.broker.port)
        first = list(dict.fromkeys(event["id"] for topic, event in made.ears.heard if "id" in event))
        assert heard == [each for each in first if each in set(heard)]
        assert set(before) <= set(heard)
        again = {event["id"]: event for _, event in made.ears.heard if "id" in event}
        assert {each: again[each] for each in before} == before
        assert len(made.accepted()) == accepted
        code, said = await run("replay", "--since", "yesterday", *socket_of(made))
        assert (code, "should be a time with a zone" in said) == (1, True)


async def test_a_client_asks_for_what_it_missed_by_a_topic(tmp_path: Path, free_port: Callable[[], int]):
    """Its own answers and the line's messages come again, and nobody else's answers."""
    async with world(tmp_path, free_port, speed=60) as made:
        await made.relay.start()
        await made.listening()
        for client in ("web", "crm"):
            await made.publish(f"relay/line/alerts/send/{client}", {"id": client, "to": "2065550101", "text": client})
            await made.ears.final((await made.ears.result(client))["message_id"], 1)
        seen = len(made.ears.heard)
        await made.publish("relay/line/alerts/replay/web", {"since": "1h", "kinds": ["result"], "ref": "again"})

        def answered() -> list[dict[str, object]]:
            found = [event["data"] for _, event in made.ears.heard if event.get("type") == "relay.result.v1"]
            return [data for data in found if data["ref"] == "again"]

        await made.ears.until(answered, what="the answer")
        [answer] = answered()
        assert (answer["outcome"], answer["replay"]["events"]) == ("done", 1)  # type: ignore[index] # it has one

        def repeated() -> list[str]:
            later = [event for topic, event in made.ears.heard[seen:] if topic.startswith("relay/line/alerts/result")]
            return [event["data"]["request_id"] for event in later if event["data"]["request_id"]]

        await made.ears.until(repeated, what="the result again")
        assert repeated() == ["web"]
