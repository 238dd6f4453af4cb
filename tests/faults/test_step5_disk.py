"""What went wrong on a full disk before it was thought of, each as small as it can be shown."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.control.asking import _said
from relay.domain.messages import RawAnswer
from relay.journal import JournalFull, JournalShut, Wish
from relay.web.public import Hooks, Listener
from tests.contract.journal.desk import LINE, START, Desk, SqlitePlace
from tests.fulldisks import shut


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A journal in which not one operation may wait."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"), queue=0)
    yield desk
    await desk.journal.aclose()


def written(desk: Desk) -> int:
    """The bytes that were written since it was opened."""
    return Path(f"{desk.place.path}-wal").stat().st_size


@pytest.mark.parametrize("source", ["inbox", "status", "mail"])
async def test_what_was_fetched_is_not_refused_for_want_of_room_in_the_queue(desk: Desk, source: str) -> None:
    """AT&T has deleted it: a page was refused like a web hook, which its sender keeps."""
    await desk.journal.raw.keep(LINE, source, "", "call", RawAnswer(b"bytes"))
    with pytest.raises(JournalFull):
        await desk.journal.raw.keep(LINE, "hook", "", "", RawAnswer(b"bytes"))
    assert len(await desk.journal.raw.unread(LINE)) == 1


async def test_what_was_fetched_is_not_refused_for_the_disks_sake(desk: Desk) -> None:
    """It is what the ballast is for."""
    await shut(desk.journal)
    await desk.journal.raw.keep(LINE, "status", "", "call", RawAnswer(b"bytes"))
    with pytest.raises(JournalShut):
        await desk.journal.raw.keep(LINE, "hook", "", "", RawAnswer(b"bytes"))


async def test_a_replay_is_not_begun_by_a_command_that_stays_with_the_broker(desk: Desk) -> None:
    """Its answer was refused, and not its beginning: each delivery of the command would have begun another."""
    await shut(desk.journal)
    with pytest.raises(JournalShut):
        await desk.journal.replays.begin(Wish(START - timedelta(hours=1), START, LINE, (), None))
    assert await desk.journal.replays.waiting() == []


async def test_whoever_sends_by_hand_is_told_of_the_disk(desk: Desk) -> None:
    """`relay send` blamed the queue."""
    await shut(desk.journal)
    assert desk.journal.shut is not None
    status, sentence = _said(JournalShut(desk.journal.shut.why, desk.journal.shut.over))
    assert status == 503
    assert "the disk under the journal is full: free some space" in sentence


async def test_a_thousand_refused_hooks_are_no_thousand_lines(desk: Desk) -> None:
    """The journal says once, for all of them, that its disk is full."""
    await shut(desk.journal)

    async def take(line: str, event: str, raw: RawAnswer) -> None:
        await desk.journal.raw.keep(line, "hook", event, "", raw)

    listener = Listener("127.0.0.1", 0, Hooks(lambda _: None, lambda *_: True, take, 1_000))
    with capture_logs() as lines:
        answers = [await listener._keep(LINE, "receive", RawAnswer(b"{}")) for _ in range(1_000)]
    assert {answer.status for answer in answers} == {503}
    assert lines == []


async def test_a_journal_is_opened_without_a_write(desk: Desk) -> None:
    """It wrote its own mark at each start: on a full disk it could not even begin."""
    await desk.journal.aclose()
    again = await Desk.at(desk.place)
    assert written(desk) == 0
    await again.journal.aclose()
