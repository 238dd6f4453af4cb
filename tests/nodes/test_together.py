"""Three nodes over one PostgreSQL do together what one does: each text once, each event under one id."""

from collections.abc import Callable
from pathlib import Path

from tests.databases import Database
from tests.nodes.cluster import Cluster, cluster
from tests.system.ledgers import compare


async def test_three_nodes_send_each_text_once(
    tmp_path: Path, free_port: Callable[[], int], database: Database
) -> None:
    """Requests from the bus, texts by web hook and by poll, receipts; and every node has a part of it."""
    async with cluster(tmp_path, free_port, database.url) as made:
        await made.start()
        await made.listening()
        await made.hooked()
        await traffic(made, 60)
        findings = compare(made)
        assert findings.is_clean, findings
        assert len(made.accepted()) == 60
        for node in made.nodes:
            assert await node.stop() == 0
        assert all(node.logged("call.answered") for node in made.nodes)
        assert not made.violations()


async def traffic(made: Cluster, count: int) -> None:
    """Requests and texts in, until all of it has ended."""
    for number in range(count):
        line = ("alerts", "office")[number % 2]
        request = {"id": f"r-{number}", "to": f"+1206555{number:04}", "text": f"text {number}"}
        await made.publish(f"relay/line/{line}/send", request)
        made.text_in("+12065550101", ("12345", "+12065550100")[number % 2], f"in {number}")
    await made.ears.until(lambda: len(made.ears.events("message")) >= count, within=90, what="texts are told")
    await made.ears.until(lambda: len(_ended(made)) >= count, within=90, what="receipts have ended")


def _ended(made: Cluster) -> set[str]:
    return {event["data"]["copy_id"] for event in made.ears.events("receipt") if event["data"]["final"]}
