"""The collector: what an arrival lacks is fetched, and it is announced, whole or saying what could not be had."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import pytest

from relay.domain.errors import (
    ConsentRequired,
    ErrorCode,
    Gone,
    Malformed,
    NotAuthorized,
    OutcomeUnknown,
    Refused,
    RelayError,
    Throttled,
    TryLater,
)
from relay.domain.messages import RawAnswer
from relay.journal import JournalError
from relay.mediastore import MediaStore
from relay.providerkit.spec import ConsentStanding
from relay.stagekit import CONSENT_PAUSE
from relay.stages.collector import IDLE, LONGEST_WAIT, Collector
from relay.stages.syncer import Syncer
from relay.telemetry.health import LineState
from tests.unit.stages.desk import NOW, DeskLine, Stored, problem
from tests.unit.stages.house import BOB, DESK, GRACE, House, seconds, settled, until_rest

PATIENCE, LIFETIME = 600.0, 3600.0
SMALL, LARGE = b"small", b"x" * 1000


def store(house: House) -> MediaStore:
    """Where attachments over 100 bytes go."""
    return MediaStore(
        house.folder / "media",
        house.journal,
        house.clock,
        inline_max=100,
        max_part=2000,
        lifetime=LIFETIME,
        address="https://relay.example",
    )


def collector(house: House, line: DeskLine, window: int = 4) -> Collector:
    """A collector of the line."""
    return Collector(line, house.ground, media=store(house), patience=PATIENCE, window=window)


async def arrived(house: House, line: DeskLine, *mails: Stored) -> None:
    """These are in the store, and the journal knows of them."""
    if (await house.journal.mailbox.standing(DESK)).cursor is None:
        await until_rest(Syncer(line, house.ground))
    line.arrives(*mails)
    await until_rest(Syncer(line, house.ground))


async def message(house: House) -> Mapping[str, Any]:
    """The one message that was announced."""
    [body] = await house.bodies("message")
    return body


async def test_a_text_is_fetched_and_announced(house: House) -> None:
    """Once, however often the collector looks."""
    line = DeskLine()
    await arrived(house, line, Stored("a", "Hello"))
    stage = collector(house, line)
    assert seconds(await settled(stage)) == IDLE
    await settled(stage)
    body = await message(house)
    assert (body["from"], body["text"], body["media"]) == (BOB, "Hello", [])
    assert line.calls["mail"] == 1


async def test_the_bell_ends_the_rest(house: House) -> None:
    """What the syncer finds is fetched at once."""
    line = DeskLine()
    rest = await settled(stage := collector(house, line))
    await arrived(house, line, Stored("a", "Hello"))
    await asyncio.wait_for(rest.over(house.clock), GRACE)
    await settled(stage)
    assert (await message(house))["text"] == "Hello"


@pytest.mark.parametrize("unlisted", [True, False])
async def test_small_attachments_travel_with_their_message_and_large_ones_are_kept(
    house: House,
    unlisted: bool,
) -> None:
    """Whether the message lists them or has to be asked."""
    line = DeskLine()
    await arrived(house, line, Stored("a", parts={"s.png": SMALL, "l.png": LARGE}, parts_unlisted=unlisted))
    await settled(collector(house, line))
    small, large = (await message(house))["media"]
    assert (small["filename"], small["bytes"], base64.b64decode(small["data"])) == ("s.png", len(SMALL), SMALL)
    assert (large["filename"], large["bytes"], large.get("data")) == ("l.png", len(LARGE), None)
    assert large["href"].startswith("https://relay.example/media/")
    found = await store(house).find(large["href"].rpartition("/")[2])
    assert found is not None
    assert found[1].read_bytes() == LARGE


async def test_an_attachment_that_comes_late_is_waited_for(house: House) -> None:
    """AT&T still stores it; the message is announced once, with it."""
    line = DeskLine()
    await arrived(house, line, Stored("a", parts={"s.png": SMALL}))
    line.fails("part", *(TryLater(problem()) for _ in range(3)))
    stage = collector(house, line)
    for _ in range(3):
        await settled(stage)
        assert await house.bodies("message") == []
        assert house.board.of(DESK).state is LineState.READY
        await house.clock.advance(30)
    await settled(stage)
    [part] = (await message(house))["media"]
    assert base64.b64decode(part["data"]) == SMALL
    assert (line.calls["mail"], line.calls["part"]) == (1, 4)


@pytest.mark.parametrize(("what", "unlisted"), [("part", False), ("parts", True)])
async def test_a_message_whose_attachment_never_comes_is_announced_all_the_same(
    house: House,
    what: str,
    unlisted: bool,
) -> None:
    """After ten minutes, with the problem in its place and the other attachments."""
    line = DeskLine()
    await arrived(house, line, Stored("a", "Hello", parts={"s.png": SMALL}, parts_unlisted=unlisted))
    line.fails(what, *(OutcomeUnknown(problem(ErrorCode.UNREACHABLE)) for _ in range(1000)))
    stage = collector(house, line)
    waited = 0.0
    while not await house.bodies("message"):
        rest = await settled(stage)
        await house.clock.advance(seconds(rest))
        waited += seconds(rest)
    [part] = (await message(house))["media"]
    assert (part["error"]["code"], part.get("data"), part.get("href")) == ("unreachable", None, None)
    assert PATIENCE <= waited < PATIENCE + 180
    assert (await message(house))["text"] == "Hello"


async def test_patience_begins_when_the_attachment_is_first_missed(house: House) -> None:
    """A provider that was away for hours gets its ten minutes all the same."""
    line = DeskLine()
    await arrived(house, line, Stored("a", parts={"s.png": SMALL}))
    line.fails("mail", *(TryLater(problem()) for _ in range(5)))
    line.fails("part", TryLater(problem()))
    stage = collector(house, line)
    for _ in range(7):
        await settled(stage)
        await house.clock.advance(3600)
    assert base64.b64decode((await message(house))["media"][0]["data"]) == SMALL


async def test_after_many_tries_a_restart_does_not_begin_the_waiting_again(house: House) -> None:
    """A relay that is restarted all the time announces the message in the end."""
    line = DeskLine()
    await arrived(house, line, Stored("a", parts={"s.png": SMALL}))
    line.fails("part", *(TryLater(problem()) for _ in range(1000)))
    for _ in range(25):
        await settled(collector(house, line))
        await house.clock.advance(100)
    assert (await message(house))["media"][0]["error"]["code"] == "provider_error"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Gone(problem(ErrorCode.UNKNOWN_ID)), "unknown_id"),
        (Refused(problem(ErrorCode.PROVIDER_REFUSED)), "provider_refused"),
        (Malformed("no attachment", b"?"), "malformed_response"),
    ],
)
async def test_an_attachment_that_can_never_be_had_is_not_waited_for(
    house: House, error: RelayError, code: str
) -> None:
    """The others come with the message."""
    line = DeskLine()
    await arrived(house, line, Stored("a", parts={"one.png": SMALL, "two.png": SMALL}))
    line.fails("part", error)
    await settled(collector(house, line))
    one, two = (await message(house))["media"]
    assert (one["error"]["code"], base64.b64decode(two["data"])) == (code, SMALL)


async def test_an_attachment_over_the_limit_is_said_to_be_too_large(house: House) -> None:
    """It is never silently dropped."""
    line = DeskLine()
    await arrived(house, line, Stored("a", parts={"huge.png": b"x" * 2001}))
    await settled(collector(house, line))
    [part] = (await message(house))["media"]
    assert (part["error"]["code"], part["filename"]) == ("too_large", "huge.png")


async def test_a_message_that_cannot_be_read_is_kept_for_a_person_and_the_others_flow(house: House) -> None:
    """Its bytes are kept whole."""
    line = DeskLine(garbled={"bad"})
    await arrived(house, line, Stored("bad"), Stored("good", "good"))
    await settled(collector(house, line))
    assert (await message(house))["text"] == "good"
    [dead] = await house.journal.dead.list(10)
    shown = await house.journal.dead.show(dead["id"])
    assert shown is not None
    assert (shown["what"], base64.b64decode(shown["raw"]["body"])) == ("mail", b"garbage")


async def test_a_message_that_the_provider_refuses_to_show_is_set_aside(house: House) -> None:
    """It would be refused for ever."""
    line = DeskLine()
    await arrived(house, line, Stored("a"))
    line.fails("mail", Refused(problem(ErrorCode.PROVIDER_REFUSED)))
    assert seconds(await settled(collector(house, line))) == IDLE
    assert [body["what"] for body in await house.bodies("dead")] == ["mail"]


async def test_a_message_that_was_deleted_before_it_was_fetched_is_dropped(house: House) -> None:
    """There is nothing to announce, and nothing to wait for."""
    line = DeskLine()
    await arrived(house, line, Stored("a"))
    line.loses("a")
    await until_rest(Syncer(line, house.ground))
    assert seconds(await settled(collector(house, line))) == IDLE
    assert line.calls["mail"] == 1
    assert await house.bodies("message") == []
    assert await house.bodies("dead") == []


@pytest.mark.parametrize(
    ("error", "state", "wait"),
    [
        (TryLater(problem(), 9.0), LineState.UNREACHABLE, 9.0),
        (TryLater(problem(), 1e9), LineState.UNREACHABLE, IDLE),
        (OutcomeUnknown(problem()), LineState.UNREACHABLE, 1.6),
        (Throttled(problem(), 1e9), LineState.THROTTLED, LONGEST_WAIT),
        (NotAuthorized(problem()), LineState.UNAUTHORIZED, 60.0),
    ],
)
async def test_a_message_that_cannot_be_fetched_now_is_fetched_later(
    house: House, error: RelayError, state: LineState, wait: float
) -> None:
    """The line shows why, until it works again."""
    line = DeskLine()
    await arrived(house, line, Stored("a", "at last"))
    line.fails("mail", error)
    stage = collector(house, line)
    rest = await settled(stage)
    assert wait <= seconds(rest) <= max(wait, 3.0)
    assert house.board.of(DESK).state is state
    await house.clock.advance(LONGEST_WAIT)
    await settled(stage)
    assert (await message(house))["text"] == "at last"
    assert house.board.of(DESK).state is LineState.READY


async def test_without_consent_nothing_is_asked_and_nothing_is_given_up(house: House) -> None:
    """An attachment's patience does not run meanwhile."""
    line = DeskLine()
    await arrived(house, line, Stored("a", parts={"s.png": SMALL}))
    line.fails("part", ConsentRequired(problem(ErrorCode.CONSENT_REQUIRED)))
    line.standing = ConsentStanding(given=False, reason="withdrawn")
    stage = collector(house, line)
    for _ in range(5):
        rest = await settled(stage)
        assert seconds(rest) == CONSENT_PAUSE
        assert house.board.of(DESK).state is LineState.CONSENT_REQUIRED
        await house.clock.advance(3600)
    assert line.calls["part"] == 1
    line.standing = ConsentStanding(given=True, since=NOW)
    house.journal.ring(f"consent:{DESK}")
    await rest.over(house.clock)
    await settled(stage)
    assert base64.b64decode((await message(house))["media"][0]["data"]) == SMALL
    assert house.board.of(DESK).state is LineState.READY


async def test_a_journal_that_fails_loses_no_arrival(house: House) -> None:
    """It is fetched again: reading deletes nothing."""
    line = DeskLine()
    await arrived(house, line, Stored("a", "once", parts={"l.png": LARGE}))
    stage = collector(house, line)
    with house.broken("message"), pytest.raises(JournalError):
        await settled(stage)
    await settled(stage)
    assert (await message(house))["text"] == "once"


async def test_a_disk_that_takes_no_attachment_delays_the_message_and_does_not_lose_it(house: House) -> None:
    """It is announced in the end, and says what is missing."""
    (house.folder / "media").write_text("in the way")
    line = DeskLine()
    await arrived(house, line, Stored("a", "Hello", parts={"l.png": LARGE}))
    stage = collector(house, line)
    await settled(stage)
    assert await house.bodies("message") == []
    while not await house.bodies("message"):
        await house.clock.advance(seconds(await settled(stage)))
    assert (await message(house))["media"][0]["error"]["code"] == "internal"


async def test_a_slow_message_does_not_hold_up_the_others(house: House) -> None:
    """The window refills."""
    line = Slow()
    await arrived(house, line, *(Stored(f"m{number}", f"text {number}") for number in range(10)))
    stage = collector(house, line, window=2)
    async with asyncio.timeout(GRACE):
        while len(await house.bodies("message")) < 9:
            await stage.step()
    line.free.set()
    await settled(stage)
    assert len(await house.bodies("message")) == 10


class Slow(DeskLine):
    """A line whose first message takes long."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()

    async def fetch_mail(self, ref: str) -> RawAnswer:
        """One message."""
        if ref == "m0":
            await self.free.wait()
        return await super().fetch_mail(ref)
