"""Two nodes over one PostgreSQL, each of which reads its settings again by itself, while everything flows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from relay.turns import line_turn
from tests.databases import Database
from tests.nodes.cluster import Node, cluster, eventually
from tests.nodes.flow import Flow
from tests.system.test_cli import run

EXCHANGES, MANY_EXCHANGES = 1, 20  # of every line, on every node
SPARE = """
[lines.spare]
provider = "att-sms"
base_url = "{att}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "{directory}/app_secret"
receive = "off"
"""


async def reload(node: Node, settings: str) -> None:
    """Give a node other settings; it has to take them."""
    (node.directory / "relay.toml").write_text(settings)
    code, said = await run("reload", "--socket", node.directory / "relay.sock")
    assert code == 0, said


@pytest.mark.long_only
async def test_nodes_exchange_their_lines_one_after_the_other(
    tmp_path: Path, free_port: Callable[[], int], database: Database, *, long: bool
) -> None:
    """Nothing is lost, doubled or uncertain; a line that one of them alone knows is that one's."""
    async with cluster(tmp_path, free_port, database.url, count=2) as made:
        await made.start()
        flow = Flow(made)
        await flow.prepare()
        first = {node.name: (node.directory / "relay.toml").read_text() for node in made.nodes}
        for number in range(exchanges := MANY_EXCHANGES if long else EXCHANGES):
            for node in made.nodes:
                await flow.round()
                settings = first[node.name].replace("provider =", f"window = {number % 20 + 4}\nprovider =")
                await reload(node, settings)
        one, other = made.nodes
        spare = {node.name: SPARE.format(att=made.att.base_url, directory=node.directory) for node in made.nodes}
        await reload(one, first[one.name] + spare[one.name])
        assert await made.holder(line_turn("spare")) is one
        await reload(other, first[other.name] + spare[other.name])
        await reload(one, first[one.name])
        assert await made.holder(line_turn("spare")) is other
        await reload(other, first[other.name])
        await eventually(lambda: line_turn("spare") not in other.turns(), what="nobody has it any more")
        await flow.round()
        findings = await flow.settled(90.0)
        await flow.aclose()
        await made.stop()
        assert findings.is_clean, findings
        assert findings.uncertain == 0
        assert made.logged("stage.failed") == []
        assert len(made.logged("line.changed")) >= 2 * exchanges
