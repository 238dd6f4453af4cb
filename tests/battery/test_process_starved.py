"""Too few descriptors, and a queue as long as it may get: relay goes on, and serves who is to be served."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.battery.table import Row
from tests.system.ledgers import compare
from tests.system.world import LINES, RelayProcess, World, world

DESCRIPTORS = 64
CONNECTIONS = 200
MODES = {"handset": {"fates": False}}
WITHIN = 60.0


class StarvedRelay(RelayProcess):
    """A relay that may open few files and sockets."""

    before = ("/bin/sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh")


@pytest.mark.timeout(300)
async def test_a_listener_without_descriptors_serves_again_as_soon_as_there_are_some(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """Two hundred callers hold all descriptors: nothing falls, and the journal and the good caller are fine after."""
    async with world(tmp_path, free_port, lines=LINES, relay=StarvedRelay, modes=MODES) as made:
        await made.relay.start()
        await made.listening()
        await made.until_att(lambda: any(line["event"] == "receive" for line in made.ledger("hook-added")))
        host, port = made.hooks.removeprefix("http://").split(":")
        async with contextlib.AsyncExitStack() as held:
            for _ in range(CONNECTIONS):
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(1):
                        _, writer = await asyncio.open_connection(host, int(port))
                    held.callback(writer.close)
            await made.publish("relay/line/alerts/send", {"id": "s", "to": "+13125550001", "text": "in the dearth"})
            await made.ears.result("s")
            made.text_in("+12065550101", "+12065550100", "hook in the dearth")
            await made.relay.lives_for(2.0)
        began = asyncio.get_running_loop().time()
        made.text_in("+12065550102", "+12065550100", "hook afterwards")
        await made.ears.until(lambda: len(made.ears.events("message")) >= 2, within=WITHIN, what="both are heard")
        recovered = asyncio.get_running_loop().time() - began
        await made.ears.until(lambda: compare(made).lost == 0, within=WITHIN, what="everything has ended")
        findings = compare(made)
        assert await made.relay.stop() == 0
        warned = [line["event"] for line in _lines(made) if line["level"] not in {"debug", "info"}]

    assert findings.is_clean, findings
    assert warned == ["listener.crowded"]
    note = f"{CONNECTIONS} connections at once: {findings}"
    found(
        Row(
            "P13",
            f"no descriptors left (RLIMIT_NOFILE={DESCRIPTORS})",
            1,
            findings.lost,
            findings.twice,
            recovered,
            note,
        )
    )


def _lines(made: World) -> list[dict[str, Any]]:
    return [json.loads(line) for line in made.relay.log_path.read_text().splitlines() if line.startswith("{")]
