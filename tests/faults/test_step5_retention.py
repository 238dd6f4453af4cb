"""What was found wrong when lifetimes and erasure were proved; each was a failing test first."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from relay.domain.messages import InboundMessage, Part, Reply
from relay.journal import Lifetimes
from relay.mediastore import MediaStore
from relay.people import People
from tests.contract.journal.desk import ALICE, LINE, START, Desk, delivered, seen, text
from tests.contract.journal.places import SqlitePlace


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An open journal, empty."""
    opened = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    yield opened
    await opened.journal.aclose()


HOUR = timedelta(hours=1)
TOKEN = "t" * 32


async def test_an_attachment_of_a_message_of_relays_own_is_not_kept(desk: Desk) -> None:
    """A mailbox shows what relay sent, and it was fetched to be compared: nobody is told where its picture lies."""
    part = Part("image/png", "map.png", size=10, token=TOKEN, href=f"https://relay.example/media/{TOKEN}")
    await desk.journal.media.keep(LINE, part, START + 24 * HOUR)
    await desk.send()
    await desk.hand_over(await desk.claim(unseen=True))
    assert (await desk.see(seen(parts=(part,)))).own == 1
    assert await desk.journal.media.expired(10) == [TOKEN]


async def test_a_lookup_after_its_message_is_gone_is_answered(desk: Desk) -> None:
    """The id may live longer: it found an id, no message, and raised."""
    await desk.sent(ALICE)
    await desk.report(delivered())
    desk.clock.pass_(days=4)
    kept_for = Lifetimes(finals=72 * HOUR, keys=240 * HOUR)
    while await desk.journal.upkeep.purge(20, kept_for):
        pass
    answer = await desk.journal.commands.lookup(LINE, None, "key-1", None, Reply())
    assert answer.body["error"]["code"] == "unknown_id"


def _store(desk: Desk, folder: Path) -> MediaStore:
    """The desk's attachments."""
    return MediaStore(
        folder / "media",
        desk.journal,
        desk.clock,
        inline_max=1,
        max_part=100,
        lifetime=3600,
        address="https://relay.example",
    )


def _on_disk(folder: Path, name: str) -> set[str]:
    """The files below a folder that have a name in them."""
    return {file.name for file in folder.rglob("*") if file.is_file() and name.encode() in file.read_bytes()}


async def test_an_attachment_of_relays_own_is_gone_when_somebody_is_forgotten(desk: Desk, tmp_path: Path) -> None:
    """It was deleted after the journal's file had been cleared: its name stayed there."""
    store = _store(desk, tmp_path)
    kept = await store.keep(LINE, Part("image/gif", "marked-e05d.gif"), b"GIF89a marked")
    await desk.send()
    await desk.hand_over(await desk.claim(unseen=True))
    assert (await desk.see(seen(parts=(kept,)))).own == 1
    assert (await People(desk.journal, store, ()).forget([ALICE])).is_clean
    assert _on_disk(tmp_path, "marked") == set()


async def test_an_attachment_that_was_being_fetched_is_nobodys_when_somebody_was_forgotten(
    desk: Desk, tmp_path: Path
) -> None:
    """The message was erased meanwhile, and its picture was kept for its whole lifetime."""
    store = _store(desk, tmp_path)
    await desk.see(seen("Another device's", has_parts=True))
    [arrival] = await desk.arriving()
    kept = await store.keep(LINE, Part("image/gif", "marked-e05d.gif"), b"GIF89a marked")
    assert (await desk.journal.people.forget([ALICE], store.drop)).done["awaited"] == 1
    await desk.journal.arrivals.whole(arrival, seen("Another device's", parts=(kept,)))
    assert await desk.journal.media.expired(10) == [kept.token]


async def test_an_attachment_of_what_was_told_is_kept_when_it_is_told_again(desk: Desk, tmp_path: Path) -> None:
    """So that the mend does not go too far: a commit that was told to have failed may have been none that failed."""
    store = _store(desk, tmp_path)
    for one in (
        replace(text("Look", key="k-1"), ref="told", has_parts=True),
        seen("Another device's", ref="waits", has_parts=True),
    ):
        await (desk.receive(one) if isinstance(one, InboundMessage) else desk.see(one))
        [arrival] = await desk.arriving()
        kept = await store.keep(LINE, Part("image/gif", "one.gif"), b"GIF89a")
        for _ in range(2):
            await desk.journal.arrivals.whole(arrival, replace(one, parts=(kept,), has_parts=False))
    assert await desk.journal.media.expired(10) == []
