"""What people send to relay's lines: through a polled inbox and through real web hooks."""

from collections.abc import Callable
from pathlib import Path

from tests.system.world import World, world


async def test_a_text_to_a_short_code_is_published(running: World):
    """The inbox is polled, and the text published with its keyword."""
    running.text_in("+12065550177", "12345", "Stop.")
    await running.ears.until(lambda: running.ears.events("message"))
    (message,) = (event["data"] for event in running.ears.events("message"))

    assert (message["from"], message["to"], message["text"]) == ("+12065550177", "12345", "Stop.")
    assert message["keyword"] == "stop"


async def test_a_reply_to_a_landline_comes_through_a_web_hook(running: World):
    """The hooks are installed; the virtual handset's reply arrives, and so do the receipts."""
    await running.publish("relay/line/office/send", {"id": "ask", "to": "+12065550116", "text": "Will you come?"})
    result = await running.ears.result("ask")
    final = await running.ears.final(result["message_id"], 1)
    await running.ears.until(lambda: running.ears.events("message"))
    (message,) = (event["data"] for event in running.ears.events("message"))

    assert final[0]["status"] == "delivered"
    assert (message["from"], message["text"].upper()) == ("+12065550116", "YES")
    assert message["provider"]["id"].isdecimal()


async def test_no_request_of_relays_is_forbidden_by_att(tmp_path: Path, free_port: Callable[[], int]):
    """After traffic both ways the simulator has recorded no violation, of the five minutes between polls included."""
    # Slower than elsewhere, so that a busy machine's hiccup is no minute of AT&T's.
    async with world(tmp_path, free_port, speed=60) as made:
        await made.relay.start()
        await made.listening()
        made.text_in("+12065550177", "12345", "hello")
        await made.publish("relay/line/alerts/send", {"id": "v1", "to": "+12065550001", "text": "v1"})
        await made.publish("relay/line/office/send", {"id": "v2", "to": "+12065550002", "text": "v2"})
        for request_id in ("v1", "v2"):
            result = await made.ears.result(request_id)
            await made.ears.final(result["message_id"], 1)
        await made.ears.until(lambda: made.ears.events("message"))

        assert made.att.world.violations.lines() == []
