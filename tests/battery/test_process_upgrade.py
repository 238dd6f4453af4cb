"""Another relay's journal, in the middle of a queue: an older one's is taken up whole, a newer one's is left alone."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from relay.boundaries import Boundary
from tests.battery.checker import Ledgers, judge
from tests.battery.crashing import FallingRelay
from tests.battery.table import Row
from tests.system.ledgers import compare
from tests.system.world import ROOT, World, world

OLD = ROOT / "tests" / "data" / "journal-0003.sql"
MODES = {"handset": {"fates": False}}
TEXTS_IN = ("old text in", "old unread page")
WITHIN = 60.0
# How every request of the old journal ends here: this AT&T has never heard of the one that was handed over then.
ENDS = {
    "uncertain": ["uncertain"],
    "in-flight": ["uncertain"],
    "followed": ["unknown"],
    "waiting": ["delivered", "delivered"],
    "later": ["delivered"],
    "shop": ["delivered"],
}


async def test_an_older_journal_is_taken_up_with_its_queue_also_after_a_kill_in_the_middle(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """All tables change in one transaction: killed in it, the next start finds the old ones, and changes them."""
    async with world(tmp_path, free_port, speed=120, relay=FallingRelay, modes=MODES) as made:
        await asyncio.to_thread(_lay, tmp_path / "relay.db")
        before = await asyncio.to_thread(_counted, tmp_path / "relay.db")
        relay = made.relay
        assert isinstance(relay, FallingRelay)
        relay.arm(Boundary.TABLES_CHANGED)
        await relay.launch()
        await relay.fallen()
        assert await asyncio.to_thread(_counted, tmp_path / "relay.db") == before
        began = asyncio.get_running_loop().time()
        await made.relay.start()
        recovered = asyncio.get_running_loop().time() - began
        await made.ears.until(lambda: _ends(made) == ENDS and len(made.ears.events("message")) >= 2, within=WITHIN)
        compare(made)
        asked = [_command(name) for name in ENDS if name != "followed"]
        asked += [{"what": "text-in", "text": text} for text in TEXTS_IN]
        findings = judge(Ledgers(made.ledgers.att.lines(), made.ledgers.heard.lines(), asked))
        assert sorted(line["text"] for line in made.accepted()) == [
            "old later",
            "old shop",
            "old waiting",
            "old waiting",
        ]

    assert findings.is_clean, findings
    assert before[0] == "0003"
    note = f"killed in the migration, then taken up: {findings}"
    found(Row("P12", "upgrade in the middle of a queue", 2, findings.lost, findings.twice, recovered, note))


async def test_a_newer_journal_is_refused_in_words_and_left_as_it_is(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """Back to an older relay: it says which relay is wanted, and touches nothing."""
    async with world(tmp_path, free_port) as made:
        path = tmp_path / "relay.db"
        await asyncio.to_thread(_lay, path, revision="9999")
        before = await asyncio.to_thread(_counted, path)
        await made.relay.launch()
        code = await made.relay.process.wait()
        said = await asyncio.to_thread(made.relay.log_path.read_text)
        assert (code, await asyncio.to_thread(_counted, path)) == (1, before)

    assert "newer relay (revision 9999): install that relay again" in said
    assert "Traceback" not in said
    found(Row("P12", "a newer relay's journal is refused", 1, 0, 0, None, "exit 1, with words; untouched"))


def _command(name: str) -> dict[str, object]:
    payload = {"id": name, "text": f"old {name}"}
    return {"what": "command", "topic": "relay/line/alerts/send", "payload": payload}


def _ends(made: World) -> dict[str, list[str]]:
    """By request: how its copies stand."""
    stands: dict[str, dict[str, str]] = {}
    for event in made.ears.events("receipt"):
        data = event["data"]
        if data["final"] or data["status"] == "uncertain":
            stands.setdefault(data["request_id"], {})[data["copy_id"]] = data["status"]
    return {name: list(copies.values()) for name, copies in stands.items()}


def _lay(path: Path, revision: str | None = None) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(OLD.read_text())
        if revision is not None:
            connection.execute("UPDATE alembic_version SET version_num = ?", [revision])


def _counted(path: Path) -> tuple[str, dict[str, int]]:
    """The revision, and how many rows each table has."""
    with closing(sqlite3.connect(path)) as connection:
        [[revision]] = connection.execute("SELECT version_num FROM alembic_version")
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        counted = {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}  # noqa: S608 - the tables' own names
        return revision, counted
