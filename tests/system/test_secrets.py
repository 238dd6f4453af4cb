"""Marked secrets, texts and numbers pass through relay and appear nowhere they must not."""

import asyncio
from pathlib import Path

from tests.system.world import World

TEXT = "marked-text-7f3a"
REPLY = "marked-reply-9c1d"
NUMBERS = ("2065550001", "2065550015", "2065550116", "2065550177")


async def test_no_secret_text_or_number_is_logged_or_in_a_topic(running: World):
    """After sends, refusals, replies and bad requests: the log and the topics hold none of the marks."""
    for line in ("alerts", "office"):
        to = [f"+1{number}" for number in NUMBERS[:3]]
        await running.publish(f"relay/line/{line}/send", {"id": f"m-{line}", "to": to, "text": TEXT})
        result = await running.ears.result(f"m-{line}")
        await running.ears.final(result["message_id"], 3)
    await running.publish("relay/line/alerts/send", {"id": "bad", "to": "+1911", "text": TEXT, "txt": REPLY})
    await running.ears.result("bad")
    for to in ("12345", "+12065550100"):
        running.text_in("+12065550177", to, REPLY)
    await running.ears.until(lambda: len(running.ears.events("message")) >= 3)

    assert await running.relay.stop() == 0
    said = running.relay.log_path.read_text()
    topics = {topic for topic, _ in running.ears.heard}
    for mark in (*_secrets(running), TEXT, REPLY, *NUMBERS):
        assert mark not in said
        assert not any(mark in topic for topic in topics)


async def test_process_arguments_hold_no_secret(running: World):
    """`ps` shows arguments to everybody."""
    command_line = Path(f"/proc/{running.relay.process.pid}/cmdline")
    arguments = (await asyncio.to_thread(command_line.read_bytes)).decode()
    assert not [secret for secret in _secrets(running) if secret in arguments]


def _secrets(running: World) -> list[str]:
    """The app's secret, the session, the tokens that were given out, and the secrets in the web hooks' addresses."""
    kept = [(running.relay.directory / name).read_text().strip() for name in ("app_secret", "session")]
    hooks = [line["url"] for line in running.att.world.ledger.lines() if line["what"] == "hook"]
    return kept + [url.split("/")[-2] for url in hooks]
