"""Three nodes over one PostgreSQL do together what one does: each text once, each event under one id."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.battery.table import Row
from tests.databases import Database
from tests.nodes.cluster import Cluster, cluster
from tests.nodes.flow import MANY, OTHER, Flow, Round
from tests.pooler import Pooler

Found = Callable[[Row], None]
SHORT = Round(requests=5, many=15, hooks=7)
ROUNDS, MANY_ROUNDS = 6, 500


@pytest.mark.timeout(14_400)  # its own waits are bounded; the long form has 100,000 copies
async def test_three_nodes_do_each_thing_once(
    tmp_path: Path, free_port: Callable[[], int], database: Database, found: Found, *, long: bool
) -> None:
    """Requests, texts by web hook, poll and message store, receipts, STOP; and every node has a part of it."""
    async with cluster(tmp_path, free_port, database.url) as made:
        rounds = MANY_ROUNDS if long else ROUNDS
        note = await _together(made, Flow(made, MANY if long else SHORT), rounds, within=7200.0 if long else 90.0)
        answers = made.hook_answers()
        # Of thousands one may come too late on a machine that is busy with everything: AT&T comes again.
        assert answers.total() - answers["200"] <= answers.total() // 1000, answers
        found(
            Row("N1", "none: three nodes, all directions busy", rounds, 0, 0, None, f"{answers['200']} hooks, {note}")
        )


async def test_a_pooler_may_stand_between(
    tmp_path: Path, free_port: Callable[[], int], database: Database, found: Found
) -> None:
    """PgBouncer in transaction mode gives each transaction any session: nothing of relay's hangs on one."""
    with Pooler(database.server) as pooler:
        async with cluster(tmp_path, free_port, pooler.url(database.name)) as made:
            note = await _together(made, Flow(made), ROUNDS, within=90.0)
            found(Row("N2", "none: three nodes through PgBouncer", ROUNDS, 0, 0, None, note))


async def _together(made: Cluster, flow: Flow, rounds: int, within: float) -> str:
    """So many rounds over all nodes, until all of it has ended; what there was."""
    await made.start()
    await flow.prepare()
    for _ in range(rounds):
        await flow.round()
        await flow.keep_pace()
    # Whatever is told about a line is told in order: an answer would wait behind all that is still to be told.
    await flow.settled(within)
    await _stops(made)
    findings = await flow.settled(within)
    await flow.aclose()
    await made.stop()
    assert findings.is_clean, findings
    assert findings.uncertain == 0
    # Which of them sends is chance: the first to look takes all that is due and that it has places for.
    assert any(node.logged("call.answered") for node in made.nodes)
    assert all(node.logged("hook.read") for node in made.nodes)
    assert not made.violations()
    return flow.said(findings)


async def _stops(made: Cluster) -> None:
    """Whoever says STOP to one node is texted by none."""
    made.att.world.handset.text(sender=OTHER, to="12345", text="STOP")
    await made.ears.until(lambda: made.ears.events("event.opt-out"), what="STOP is heeded")
    for number in range(6):
        name = f"stopped {number}"
        await made.publish("relay/line/alerts/send", {"id": name, "to": [OTHER], "text": name})
        [copy] = (await made.ears.result(name))["copies"]
        assert (copy["status"], copy["error"]["code"]) == ("failed", "opted_out")
    assert not [line for line in made.accepted() if line["text"].startswith("stopped")]
