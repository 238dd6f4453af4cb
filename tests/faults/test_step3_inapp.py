"""A subscriber's messages: none is lost, told twice or mixed up, and the provider is not asked in vain."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.consent import Consents, Returned
from relay.domain.addresses import AddressKind, inbound, outbound
from relay.domain.errors import ErrorCode, Gone, Malformed, NotAuthorized, Refused, Throttled, TryLater
from relay.domain.mailbox import Mail, MailChanges, MailPage
from relay.domain.messages import InboundMessage, Media, Part, RawAnswer, Segment, Sighting
from relay.journal import JournalError
from relay.mediastore import MediaStore
from relay.stages.collector import IDLE, Collector
from relay.stages.leftovers import Leftovers
from relay.stages.syncer import Syncer
from relay.telemetry.health import LineState
from tests.unit.stages.desk import CONSENT, INTERVAL, NOW, DeskLine, Stored, problem
from tests.unit.stages.house import ALERTS, ALICE, BOB, DESK, ME, House, seconds, settled, until_rest

HOUR = 3600.0


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A small relay."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


def syncer(house: House, line: DeskLine) -> Syncer:
    """A syncer of the line."""
    return Syncer(line, house.ground)


def store(house: House, inline_max: int = 100) -> MediaStore:
    """Where large attachments go."""
    return MediaStore(
        house.folder / "media",
        house.journal,
        house.clock,
        inline_max=inline_max,
        max_part=10_000,
        lifetime=HOUR,
        address="https://relay.example",
    )


def collector(house: House, line: DeskLine, window: int = 4) -> Collector:
    """A collector of the line."""
    return Collector(line, house.ground, media=store(house), patience=600.0, window=window)


async def texts(house: House, kind: str = "message") -> list[str]:
    """What was announced."""
    return [body["text"] for body in await house.bodies(kind)]


async def told(house: House, name: str) -> list[str]:
    """The provider's ids in the events of a name."""
    return [body["provider"]["message_id"] for body in await house.bodies(f"event.{name}")]


# following and comparing


class Cursorless(DeskLine):
    """A store whose listing does not say where changes can be followed from."""

    async def list_mail(self, offset: int, limit: int, *, unread: bool = False) -> MailPage:
        """A page without a cursor."""
        return replace(await super().list_mail(offset, limit, unread=unread), cursor=None)


async def test_a_store_without_a_cursor_is_compared_once_an_interval(house: House) -> None:
    """There is nothing to follow, and no reason to list everything again at once."""
    line = Cursorless()
    stage = syncer(house, line)
    for number in range(3):
        line.arrives(Stored(f"m{number}", f"text {number}"))
        assert seconds(await until_rest(stage)) == INTERVAL
    assert line.calls["list"] <= 6
    await settled(collector(house, line))
    assert sorted(await texts(house)) == ["text 0", "text 1", "text 2"]


class Turning(DeskLine):
    """A store whose cursors come around again, each time with the same changes."""

    async def fetch_changes(self, cursor: str) -> MailChanges:
        """The other cursor of two."""
        self._called("changes")
        return MailChanges("b" if cursor == "a" else "a", (self.store["m"].entry,))


async def test_cursors_that_come_around_again_are_not_followed_without_a_rest(house: House) -> None:
    """Two or three calls show it."""
    line = Turning()
    line.arrives(Stored("m", "once"))
    stage = syncer(house, line)
    for _ in range(3):
        assert seconds(await until_rest(stage)) == INTERVAL
    assert line.calls["changes"] <= 9
    await settled(collector(house, line))
    assert await texts(house) == ["once"]


async def test_a_store_that_shrinks_below_the_next_page_hides_nothing(house: House) -> None:
    """What was on the second page has moved up to the first: all begins again."""
    line = DeskLine(page=3)
    line.arrives(*(Stored(f"m{number}", f"text {number}") for number in range(4)))
    line.during["list"].append("m3")
    gone = iter(("m2", "m1"))

    class Shrinking(DeskLine):
        async def list_mail(self, offset: int, limit: int, *, unread: bool = False) -> MailPage:
            page = await super().list_mail(offset, limit, unread=unread)
            for ref in gone:
                self.loses(ref)
            return page

    shrinking = Shrinking(page=3, store=line.store, log=line.log, during=line.during)
    await until_rest(syncer(house, shrinking))
    await settled(collector(house, shrinking))
    assert await texts(house) == ["text 0"]


async def test_a_page_of_nothing_where_something_is_deletes_nothing(house: House) -> None:
    """A store that says it has messages and shows none has not lost them."""

    class Blank(DeskLine):
        async def list_mail(self, offset: int, limit: int, *, unread: bool = False) -> MailPage:
            page = await super().list_mail(offset, limit, unread=unread)
            return replace(page, entries=()) if self.known_from else page

    line = Blank()
    line.arrives(Stored("a"), Stored("b"))
    stage = syncer(house, line)
    await until_rest(stage)
    line.known_from = 10**9
    assert seconds(await until_rest(stage)) >= 1
    assert await told(house, "deleted") == []


async def test_changes_without_flags_are_told_once_while_the_cursor_stands(house: House) -> None:
    """A provider that says the same thing again has no news."""

    class Standing(DeskLine):
        async def fetch_changes(self, cursor: str) -> MailChanges:
            self._called("changes")
            return MailChanges(cursor, updated=(replace(self.store["a"].entry, is_unread=None),))

    line = Standing()
    line.arrives(Stored("a", "once"))
    stage = syncer(house, line)
    for _ in range(5):
        assert seconds(await until_rest(stage)) == INTERVAL
    assert len(await told(house, "updated")) <= 1


async def test_answers_that_cannot_be_read_wait_for_a_person_one_at_a_time(house: House) -> None:
    """Each is another, every minute, and the disk does not fill with them; also over restarts."""
    line = DeskLine()
    for number in range(10):
        line.fails("list", Malformed("no JSON", f"garbage at {number}".encode()))
        await until_rest(syncer(house, line))
        await house.clock.advance(HOUR)
    assert [one["what"] for one in await house.journal.dead.list(100)] == ["changes"]
    assert await house.unread() == 0


async def test_another_subscriber_s_store_is_not_mixed_up_with_the_former_one(house: House) -> None:
    """The line was given another number: its old mail is its own affair, and equal ids are other messages."""
    line = DeskLine()
    line.arrives(Stored("t1", "to the first"))
    await until_rest(syncer(house, line))
    await settled(collector(house, line))
    line.arrives(Stored("t2", "too late"))
    await until_rest(syncer(house, line))
    other = DeskLine(number="+12065550122", standing=replace(line.standing, since=NOW))
    other.arrives(Stored("old", "of years", time=CONSENT + timedelta(seconds=5)))
    other.arrives(Stored("t1", "to the second"), Stored("t2", "to the second again"))
    stage = syncer(house, other)
    await until_rest(stage)
    await settled(collector(house, other))
    assert sorted(await texts(house)) == ["to the first", "to the second", "to the second again"]
    assert await told(house, "deleted") == []
    [left] = await house.journal.dead.list(10)
    assert (left["kind"], left["line"]) == ("damaged", DESK)


async def test_a_number_that_was_misspelt_for_a_while_publishes_nothing_again(house: House) -> None:
    """Its subscriber has not agreed to the other number, so that nothing is forgotten."""
    line = DeskLine()
    line.arrives(Stored("a", "once"))
    await until_rest(syncer(house, line))
    await settled(collector(house, line))
    wrong = DeskLine(number="+12065550199", standing=replace(line.standing, given=False))
    wrong.fails("prepare", NotAuthorized(problem(ErrorCode.CONSENT_REQUIRED)))
    await until_rest(syncer(house, wrong))
    await house.restart()
    await until_rest(syncer(house, line))
    await settled(collector(house, line))
    assert await texts(house) == ["once"]


# fetching


async def waiting(house: House, line: DeskLine, *mails: Stored) -> None:
    """The journal knows of these and has not fetched them."""
    await until_rest(syncer(house, line))
    line.arrives(*mails)
    await until_rest(syncer(house, line))


async def test_a_message_that_its_store_shows_before_it_hands_it_out_is_not_lost(house: House) -> None:
    """404 is believed only of what the store no longer shows."""
    line = DeskLine()
    await waiting(house, line, Stored("a", "at last"))
    line.fails("mail", *(TryLater(problem()) for _ in range(10)))
    line.fails("mail", *(Gone(problem(ErrorCode.UNKNOWN_ID)) for _ in range(3)))
    stage = collector(house, line)
    for _ in range(14):
        await settled(stage)
        await house.clock.advance(120)
    assert await texts(house) == ["at last"]


async def test_a_message_that_is_shown_and_never_handed_out_is_new_when_it_is_shown_again(house: House) -> None:
    """It is not asked for without end, and the next comparison finds it."""
    line = DeskLine()
    await waiting(house, line, Stored("a", "at last"))
    line.fails("mail", *(Gone(problem(ErrorCode.UNKNOWN_ID)) for _ in range(7)))
    stage = collector(house, line)
    for _ in range(10):
        await settled(stage)
        await house.clock.advance(60)
    assert line.calls["mail"] == 7
    line.known_from = len(line.log) + 1
    await until_rest(syncer(house, line))
    await settled(stage)
    assert await texts(house) == ["at last"]


@pytest.mark.parametrize("error", [Throttled(problem(), 30.0), NotAuthorized(problem())])
async def test_after_a_refusal_that_is_about_the_line_the_other_messages_wait(house: House, error: Exception) -> None:
    """What is in flight already comes back, and nothing more is asked."""
    line = DeskLine()
    await waiting(house, line, *(Stored(f"m{number}") for number in range(20)))
    line.fails("mail", *(error for _ in range(20)))
    await settled(collector(house, line, window=2))
    assert line.calls["mail"] <= 4


async def test_an_attachment_is_waited_for_after_hours_without_the_provider(house: House) -> None:
    """Many tries to fetch the message say nothing about its attachments."""
    line = DeskLine()
    await waiting(house, line, Stored("a", "Hello", parts={"s.png": b"png"}))
    line.fails("mail", *(TryLater(problem()) for _ in range(30)))
    line.fails("part", TryLater(problem()))
    stage = collector(house, line)
    for _ in range(33):
        await settled(stage)
        await house.clock.advance(120)
    [body] = await house.bodies("message")
    assert "error" not in body["media"][0]


async def test_a_message_that_alone_fails_for_a_day_waits_for_a_person(house: House) -> None:
    """Others are handed out: it is not asked for without end, and nobody would know of it."""

    class Poisoned(DeskLine):
        async def fetch_mail(self, ref: str) -> RawAnswer:
            if ref == "poison":
                self.calls["poison"] += 1
                raise TryLater(problem())
            return await super().fetch_mail(ref)

    line = Poisoned()
    await waiting(house, line, Stored("poison"))
    stage = collector(house, line)
    for hour in range(30):
        for _ in range(2):
            await settled(stage)
            await house.clock.advance(HOUR / 2)
        if hour < 26:
            assert await house.journal.dead.list(10) == []
        if hour >= 25:
            line.arrives(Stored(f"m{hour}", f"text {hour}"))
            await until_rest(syncer(house, line))
    [left] = await house.journal.dead.list(10)
    assert (left["what"], left["line"]) == ("mail", DESK)
    asked = line.calls["poison"]
    await house.clock.advance(HOUR)
    await settled(stage)
    assert line.calls["poison"] == asked
    assert len(await texts(house)) >= 4


async def test_a_message_that_the_provider_refused_to_show_is_fetched_when_a_person_says_so(house: House) -> None:
    """There are no bytes to be read again."""
    line = DeskLine()
    await waiting(house, line, Stored("a", "at last"))
    line.fails("mail", Refused(problem(ErrorCode.PROVIDER_REFUSED)))
    await settled(stage := collector(house, line))
    [left] = await house.journal.dead.list(10)
    done = await Leftovers({DESK: line}, house.ground).replay(left["id"])
    assert done.outcome == "queued"
    await settled(stage)
    assert await texts(house) == ["at last"]
    assert await house.journal.dead.list(10) == []


async def test_what_a_removed_line_has_not_fetched_is_told_or_waits_for_a_person(house: House) -> None:
    """A text is told without its attachments; where there is only an id, a person may have it fetched again."""
    line = DeskLine()
    await waiting(house, line, Stored("a", "of the store"))
    known = InboundMessage(outbound(BOB), "+12065550100", "with a picture", dedupe_key="k", ref="9", has_parts=True)
    kept = await house.journal.raw.keep("gone", "hook", "receive", "", RawAnswer(b"{}"))
    await house.journal.raw.understood(kept, messages=[known])
    await until_rest(Leftovers({}, house.ground))
    assert (await house.bodies("message"), await house.journal.dead.list(10)) == ([], [])
    await house.clock.advance(HOUR + 1)
    await until_rest(Leftovers({}, house.ground))
    [body] = await house.bodies("message")
    assert (body["text"], body["media"][0]["error"]["code"]) == ("with a picture", "provider_error")
    [left] = await house.journal.dead.list(10)
    assert (left["what"], left["line"]) == ("mail", DESK)
    await until_rest(Leftovers({}, house.ground))
    assert len(await house.journal.dead.list(10)) == 1
    await Leftovers({DESK: line}, house.ground).replay(left["id"])
    await settled(collector(house, line))
    assert sorted(await texts(house)) == ["of the store", "with a picture"]


async def test_what_a_line_fetches_is_left_to_its_collector(house: House) -> None:
    """Also while its subscriber does not agree."""
    line = DeskLine()
    await waiting(house, line, Stored("a", "hi"))
    await until_rest(Leftovers({DESK: line}, house.ground))
    assert await house.journal.dead.list(10) == []
    assert seconds(await settled(collector(house, line))) == IDLE
    assert await texts(house) == ["hi"]


async def test_a_journal_that_cannot_write_leaves_no_files_behind(house: House) -> None:
    """A disk that is full is not filled by trying again."""
    line = DeskLine()
    await waiting(house, line, Stored("a", parts={"one": b"x" * 1000, "two": b"y" * 1000}))
    stage = collector(house, line)
    with house.broken("media"):
        for _ in range(3):
            with pytest.raises(JournalError):
                await settled(stage)
    assert list((house.folder / "media").iterdir()) == []
    await settled(stage)
    assert len(list((house.folder / "media").iterdir())) == 2


# what went out


def seen(ref: str, text: str | None, *parts: Part, segment: Segment | None = None) -> Sighting:
    """A message to ALICE that the store shows."""
    return Sighting(ref, (outbound(ALICE),), text, parts=parts, segment=segment)


def words(text: str) -> Part:
    """A part that is a text."""
    return Part("text/plain; charset=utf-8", data=text.encode())


async def show(house: House, *sightings: Mail) -> None:
    """The store of the short code's line hands these out."""
    for one in sightings:
        kept = await house.journal.raw.keep(ALERTS, "mail", one.ref or "", "", RawAnswer(b"{}"))
        found: Mapping[str, Any] = {"sightings": [one]} if isinstance(one, Sighting) else {"messages": [one]}
        await house.journal.raw.understood(kept, **found)


async def sent(house: House, text: str | None, *media: Media) -> None:
    """Relay sends this, and nobody knows whether it went out."""
    await house.send(ALICE, text=text, media=media)
    call = await house.journal.calls.claim(ALERTS, ME, unseen=True)
    assert call is not None
    await house.journal.calls.unanswered(call.call_id, ME, problem(), evidence_within=600)


NOTE = Media("text/plain", "note.txt", b"a note")
PICTURE = Media("image/png", "a.png", b"png")


@pytest.mark.parametrize(
    ("text", "media", "shown"),
    [
        ("Hello", (NOTE,), seen("m", "Hello\na note", words("Hello"), words("a note"))),
        ("Hello", (NOTE,), seen("m", "Hello\nA NOTE", words("Hello"), words("A NOTE"))),
        ("Hello", (NOTE, PICTURE), seen("m", "Hello", Part("image/png", data=b"png"))),
        (None, (NOTE,), seen("m", "a note", words("a note"))),
        (None, (NOTE,), seen("m", None, words("a note"))),
        (None, (PICTURE,), seen("m", None, Part("image/png", data=b"png"))),
    ],
)
async def test_relay_s_own_mms_is_known_with_texts_among_its_attachments(
    house: House, text: str | None, media: tuple[Media, ...], shown: Sighting
) -> None:
    """It is not told as another device's, and nothing of it is uncertain."""
    await sent(house, text, *media)
    await show(house, shown)
    assert await house.standing() == {ALICE: "submitted"}
    await house.clock.advance(600)
    await house.journal.upkeep.settle_sightings(100)
    assert await house.bodies("event.sent-elsewhere") == []


@pytest.mark.parametrize(
    ("text", "media", "shown"),
    [
        ("Hello", (PICTURE,), seen("m", "Hello\nmore", words("Hello"), words("more"))),
        (None, (PICTURE,), seen("m", None, words("a note"))),
        ("Hello", (NOTE,), seen("m", "Goodbye\na note", words("Goodbye"), words("a note"))),
    ],
)
async def test_another_device_s_mms_is_not_taken_for_relay_s_own(
    house: House, text: str | None, media: tuple[Media, ...], shown: Sighting
) -> None:
    """It says something else."""
    await sent(house, text, *media)
    await show(house, shown)
    assert await house.standing() == {ALICE: "uncertain"}


async def test_a_long_text_that_a_phone_sent_in_pieces_is_told_once(house: House) -> None:
    """In order, whatever order the pieces come in; and nobody else's pieces are among them."""
    line = DeskLine()
    pieces = {"p1": ("one ", 1), "p3": ("three", 3), "p2": ("two ", 2)}

    @dataclass
    class Pieces(DeskLine):
        def read_mail(self, ref: str, raw: RawAnswer) -> Mail:  # noqa: ARG002 - as the protocol has it
            text, place = pieces[ref]
            return replace(Sighting(ref, (outbound(ALICE),), text), segment=Segment("7", place, 3))

    line = Pieces()
    await waiting(house, line, *(Stored(ref, text, incoming=False) for ref, (text, _) in pieces.items()))
    await settled(collector(house, line))
    await house.clock.advance(600)
    await house.journal.upkeep.settle_sightings(100)
    assert await texts(house, "event.sent-elsewhere") == ["one two three"]


async def test_relay_s_own_text_that_comes_back_in_pieces_is_known(house: House) -> None:
    """The network may cut what AT&T takes as one SMS."""
    await sent(house, "one two three")
    for place, text in enumerate(("one ", "two ", "three"), 1):
        await show(house, seen(f"p{place}", text, segment=Segment("7", place, 3)))
    assert await house.standing() == {ALICE: "submitted"}
    await house.clock.advance(4000)
    await house.journal.upkeep.join_overdue_segments()
    await house.journal.upkeep.settle_sightings(100)
    assert await house.bodies("event.sent-elsewhere") == []


async def test_pieces_of_what_came_in_and_went_out_are_apart(house: House) -> None:
    """Equal numbers say nothing where the direction differs."""
    came = InboundMessage(inbound(ALICE), "12345", "in ", dedupe_key="i1", ref="i1", segment=Segment("7", 1, 2))
    assert came.sender.kind is AddressKind.E164
    await show(house, came, seen("o2", "out", segment=Segment("7", 2, 2)))
    assert await house.bodies("message") == []
    await house.clock.advance(2 * HOUR)
    await house.journal.upkeep.join_overdue_segments()
    await house.clock.advance(600)
    await house.journal.upkeep.settle_sightings(100)
    assert (await texts(house), await texts(house, "event.sent-elsewhere")) == (["in "], ["out"])


# consent


class Unkept(DeskLine):
    """A line whose tokens cannot be kept."""

    async def take_consent(self, code: str, redirect_uri: str) -> str:  # noqa: ARG002 - as the protocol has it
        """The journal fails."""
        raise JournalError("the disk is full")


async def test_a_consent_that_cannot_be_kept_ends_its_login_in_plain_words(house: House) -> None:
    """The browser gets a page, also the second time, and whoever waits is told."""
    consents = Consents({DESK: Unkept()}, {DESK: "https://relay.example/c"}, journal=house.journal, board=house.board)
    async with consents.login(DESK) as login:
        for _ in range(2):
            assert await consents.returned(DESK, {"code": "c"}) is Returned.FAILED
        async with asyncio.timeout(5):
            outcome = await login.ended()
    assert "relay cannot keep it" in outcome.detail
    assert house.board.of(DESK).state is not LineState.CONSENT_REQUIRED
