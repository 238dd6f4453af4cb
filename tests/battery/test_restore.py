"""P15: a backup that was made while relay ran takes the journal's place; what was sent since is not sent again."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.battery.table import Row
from tests.system.test_cli import run, socket_of
from tests.system.world import World, world

WAITING = 6


async def _sent(made: World, request_id: str) -> None:
    """A request that is sent, to its end."""
    await made.publish("relay/line/alerts/send", {"id": request_id, "to": "2065550101", "text": request_id})
    result = await made.ears.result(request_id)
    await made.ears.final(result["message_id"], 1)


async def test_what_was_sent_after_the_backup_is_not_sent_again(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
):
    """The requests wait when the backup is made, and are sent before the machine is lost."""
    async with world(tmp_path, free_port, speed=60) as made:
        await made.relay.start()
        await made.listening()
        control, config = socket_of(made), ("--config", tmp_path / "relay.toml")
        assert (await run("queue", "hold", "--line", "alerts", *control))[0] == 0
        waiting = [f"waits-{place}" for place in range(WAITING)]
        for one in waiting:
            await made.publish("relay/line/alerts/send", {"id": one, "to": "2065550101", "text": one})
            await made.ears.result(one)
        code, said = await run("backup", tmp_path / "monday.db", *config)
        assert (code, said.split(":")[0]) == (0, f"backed up to {tmp_path}/monday.db")
        assert (await run("queue", "release", "--line", "alerts", *control))[0] == 0
        await made.ears.until(lambda: len(made.accepted()) == WAITING, what="they are sent")

        code, said = await run("restore", tmp_path / "monday.db", *config)
        assert (code, "relay" in said) == (1, True)  # it runs
        await made.relay.stop()
        code, said = await run("restore", tmp_path / "monday.db", *config)
        assert (code, f"line alerts: {WAITING} copies held" in said) == (0, True)
        began = time.monotonic()
        await made.relay.start()
        _, listed = await run("queue", "list", "--held", *control)
        assert all(one in listed for one in waiting)
        # The line is as it was when the backup was made: held. What is new goes once it is released, what is old is
        # canceled by whoever knows that it was sent.
        canceled = await run("queue", "cancel", *waiting, *control)
        assert canceled[0] == 0, canceled
        assert (await run("queue", "release", "--line", "alerts", *control))[0] == 0
        await _sent(made, "after")
        recovered = time.monotonic() - began
        sent = Counter(line["text"] for line in made.accepted())
        assert sent == dict.fromkeys([*waiting, "after"], 1)
        notices = [event["data"] for event in made.ears.events("dead")]
        assert [notice["held"] for notice in notices if "held" in notice] == [{"alerts": WAITING}]
        found(Row("P15", "backup while it ran, then restored", WAITING, 0, 0, recovered, "all held, none sent again"))
