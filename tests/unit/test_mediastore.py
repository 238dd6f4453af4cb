"""Kept attachments: for relay's user alone, under names that nobody guesses, and gone when their time is over."""

import asyncio
import re
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from relay.domain.errors import ErrorCode, NotAuthorized, Problem, Throttled, TryLater
from relay.domain.mailbox import Mail
from relay.domain.messages import Part, RawAnswer
from relay.ids import Ids
from relay.journal import Journal
from relay.mediastore import LONGEST_TEXT, PURGED_AT_ONCE, MediaStore
from relay.simulator.virtual import ManualClock
from tests import journals
from tests.unit.stages.desk import DeskLine, Stored
from tests.unit.stages.house import DESK

DAY = 86_400.0
PICTURE = Part("image/png", "map.png")
AWAY = Problem(ErrorCode.UNREACHABLE, "away")


@pytest.fixture
async def media(tmp_path: Path) -> AsyncIterator[MediaStore]:
    """A store with a journal."""
    clock = ManualClock()
    url = f"sqlite:///{tmp_path}/relay.db"
    await asyncio.to_thread(journals.lay, tmp_path / "relay.db")
    async with await Journal.open(url, clock=clock, ids=Ids(clock), node="n", real=clock) as journal:
        yield MediaStore(
            tmp_path / "state" / "media",
            journal,
            clock,
            inline_max=10,
            max_part=1000,
            lifetime=DAY,
            address="https://relay.example",
        )


async def advance(media: MediaStore, seconds: float) -> None:
    """Let time pass."""
    assert isinstance(media.clock, ManualClock)
    await media.clock.advance(seconds)


def files(media: MediaStore) -> list[str]:
    """What is in its folder."""
    return sorted(file.name for file in media.directory.iterdir()) if media.directory.is_dir() else []


async def test_what_is_kept_is_found_under_its_token(media: MediaStore) -> None:
    """With what the message said of it."""
    part = await media.keep(DESK, replace(PICTURE, size=5), b"bytes")
    assert part.href == f"https://relay.example/media/{part.token}"
    found = await media.find(part.token or "")
    assert found is not None
    kept, file = found
    assert (kept.line, kept.content_type, kept.filename, kept.bytes) == (DESK, "image/png", "map.png", 5)
    assert file.read_bytes() == b"bytes"


async def test_files_are_for_relays_user_alone(media: MediaStore) -> None:
    """Whatever the umask is."""
    part = await media.keep(DESK, PICTURE, b"bytes")
    assert stat.S_IMODE(media.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((media.directory / str(part.token)).stat().st_mode) == 0o600


async def test_names_say_nothing_and_are_never_the_same(media: MediaStore) -> None:
    """192 bits of chance."""
    tokens = {str((await media.keep(DESK, PICTURE, b"the same")).token) for _ in range(20)}
    assert len(tokens) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", token) for token in tokens)
    assert sorted(tokens) == files(media)


@pytest.mark.parametrize(
    "token", ["", "x", "../relay.db", "A" * 31, "A" * 33, "A" * 32, "ä" * 32, "A" * 31 + "/", "\0"]
)
async def test_what_is_no_token_of_ours_finds_nothing(media: MediaStore, token: str) -> None:
    """No path leads out of the folder."""
    await media.keep(DESK, PICTURE, b"bytes")
    assert await media.find(token) is None


async def test_what_has_expired_is_not_found_and_is_deleted(media: MediaStore) -> None:
    """At its time, by relay's clock; what is younger stays."""
    await media.purge()
    old = await media.keep(DESK, PICTURE, b"old")
    await advance(media, DAY - 1)
    young = await media.keep(DESK, PICTURE, b"young")
    assert await media.find(str(old.token)) is not None
    await advance(media, 1)
    assert await media.find(str(old.token)) is None
    assert await media.purge() == 1
    assert await media.purge() == 0
    assert files(media) == [young.token]


async def test_much_that_has_expired_is_deleted_in_pieces(media: MediaStore) -> None:
    """Nobody waits for all of it."""
    for _ in range(PURGED_AT_ONCE + 1):
        await media.journal.media.keep(DESK, replace(PICTURE, token=f"{_:032}", size=1), media.clock.now())
    assert [await media.purge() for _ in range(3)] == [PURGED_AT_ONCE, 1, 0]


async def test_a_file_that_is_gone_is_not_found(media: MediaStore) -> None:
    """Somebody has emptied the folder; nothing else breaks."""
    part = await media.keep(DESK, PICTURE, b"bytes")
    (media.directory / str(part.token)).unlink()
    assert await media.find(str(part.token)) is None
    await advance(media, DAY)
    assert await media.purge() == 1


async def test_orphans_of_a_former_life_are_swept_once_and_other_peoples_files_are_left(media: MediaStore) -> None:
    """A file that the journal does not know was written as relay fell."""
    kept = await media.keep(DESK, PICTURE, b"bytes")
    for name in ("A" * 32, f"{'B' * 32}.part", "README"):
        (media.directory / name).write_text("left")
    assert await media.purge() == 2
    assert files(media) == sorted([str(kept.token), "README"])
    (media.directory / ("C" * 32)).write_text("left")
    assert await media.purge() == 0


async def test_what_is_being_kept_is_no_orphan(media: MediaStore) -> None:
    """A sweep in the very moment deletes nothing."""
    keeping = asyncio.gather(*(media.keep(DESK, PICTURE, b"bytes") for _ in range(20)))
    await media.purge()
    parts = await keeping
    assert [await media.find(str(part.token)) is not None for part in parts] == [True] * 20


async def test_a_text_among_the_attachments_is_the_message_s_own_wherever_it_is_kept(media: MediaStore) -> None:
    """However little travels inline; a book is an attachment."""

    class Writing(DeskLine):
        def read_mail(self, ref: str, raw: RawAnswer) -> Mail:
            mail = super().read_mail(ref, raw)
            return replace(
                mail, text=None, parts=tuple(replace(part, content_type="text/plain") for part in mail.parts)
            )

    media.max_part = 10 * LONGEST_TEXT
    line = Writing()
    line.arrives(Stored("a", parts={"one": b"more than ten bytes", "two": b"few", "book": b"x" * (LONGEST_TEXT + 1)}))
    whole = await media.gather(line, line.read_mail("a", await line.fetch_mail("a")))
    assert whole.text == "more than ten bytes\nfew"
    assert [part.data for part in whole.parts] == [None, b"few", None]
    assert len(files(media)) == 2


async def test_gathering_again_leaves_nothing_behind_of_the_first_try(media: MediaStore) -> None:
    """The large attachment that came is fetched again with the one that did not."""
    line = DeskLine()
    line.arrives(Stored("a", parts={"one": b"x" * 100, "two": b"x" * 100}))
    mail = line.read_mail("a", await line.fetch_mail("a"))
    line.fails("part", None, TryLater(AWAY))
    with pytest.raises(TryLater):
        await media.gather(line, mail)
    assert files(media) == []
    whole = await media.gather(line, mail)
    assert whole.is_whole
    assert sorted(str(part.token) for part in whole.parts) == files(media)


async def test_who_is_not_authorized_gives_nothing_up(media: MediaStore) -> None:
    """Patient or not: nothing was said about the attachment."""
    line = DeskLine()
    line.arrives(Stored("a", parts={"one": b"x"}))
    mail = line.read_mail("a", await line.fetch_mail("a"))
    for patient in (True, False):
        line.fails("part", NotAuthorized(AWAY))
        with pytest.raises(NotAuthorized):
            await media.gather(line, mail, patient=patient)


async def test_who_is_throttled_waits_only_while_there_is_patience(media: MediaStore) -> None:
    """Then the message says that it could not be had."""
    line = DeskLine()
    line.arrives(Stored("a", parts={"one": b"x"}))
    mail = line.read_mail("a", await line.fetch_mail("a"))
    line.fails("part", Throttled(AWAY), Throttled(AWAY))
    with pytest.raises(Throttled):
        await media.gather(line, mail)
    [part] = (await media.gather(line, mail, patient=False)).parts
    assert (part.ref, part.problem) == (None, AWAY)


async def test_an_attachment_that_says_that_it_is_too_large_is_not_even_fetched(media: MediaStore) -> None:
    """Its size is known before."""
    line = DeskLine()
    line.arrives(Stored("a", parts={"one": b"x"}))
    mail = line.read_mail("a", await line.fetch_mail("a"))
    huge = replace(mail, parts=tuple(replace(part, size=1001) for part in mail.parts))
    [part] = (await media.gather(line, huge)).parts
    assert part.problem is not None
    assert part.problem.code is ErrorCode.TOO_LARGE
    assert line.calls["part"] == 0


async def test_a_cancelled_gathering_leaves_no_file(media: MediaStore) -> None:
    """As when relay stops."""

    class Hanging(DeskLine):
        async def fetch_part(self, message_ref: str, part: Part) -> bytes:
            if part.ref == "two":
                reached.set()
                await asyncio.Event().wait()
            return await super().fetch_part(message_ref, part)

    reached = asyncio.Event()
    line = Hanging()
    line.arrives(Stored("a", parts={"one": b"x" * 100, "two": b""}))
    mail = line.read_mail("a", await line.fetch_mail("a"))
    gathering = asyncio.create_task(media.gather(line, mail))
    await asyncio.wait_for(reached.wait(), 5)
    assert len(files(media)) == 1
    gathering.cancel()
    await asyncio.wait({gathering})
    assert files(media) == []
