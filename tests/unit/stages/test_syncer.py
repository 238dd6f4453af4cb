"""The syncer with a subscriber's store: everything new is announced once, whatever happens to the cursor."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from relay.domain.errors import (
    ConsentRequired,
    CursorInvalid,
    ErrorCode,
    Malformed,
    NotAuthorized,
    NotReady,
    OutcomeUnknown,
    RelayError,
    Throttled,
    TryLater,
)
from relay.domain.mailbox import MailChanges, MailPage
from relay.journal import JournalError
from relay.mediastore import MediaStore
from relay.providerkit.spec import ConsentStanding
from relay.stagekit import CONSENT_PAUSE
from relay.stages.collector import Collector
from relay.stages.syncer import LONGEST_WAIT, MOST_PAGES, ROUNDS_AT_ONCE, TORN_TRIES, Syncer
from relay.telemetry.health import LineState
from tests.unit.stages.desk import CONSENT, INTERVAL, NOW, DeskLine, Stored, problem
from tests.unit.stages.house import DESK, House, seconds, settled, until_rest


def syncer(house: House, line: DeskLine) -> Syncer:
    """A syncer of the line."""
    return Syncer(line, house.ground)


async def texts(house: House, line: DeskLine) -> list[str]:
    """The texts that were announced, once all that is known of was fetched."""
    media = MediaStore(
        house.folder / "media", house.journal, house.clock, inline_max=1, max_part=1, lifetime=1, address=""
    )
    await settled(Collector(line, house.ground, media=media, patience=0, window=4))
    return [body["text"] for body in await house.bodies("message")]


async def events(house: House, name: str) -> Sequence[object]:
    """The provider's ids in the events of a name."""
    return [body["provider"]["message_id"] for body in await house.bodies(f"event.{name}")]


async def test_what_comes_after_the_consent_is_announced_once_and_what_was_there_before_is_not(house: House) -> None:
    """The store of years is the subscriber's own affair."""
    line = DeskLine()
    line.arrives(Stored("old", "before", time=CONSENT - timedelta(days=400)), Stored("new", "after", time=NOW))
    stage = syncer(house, line)
    assert seconds(await until_rest(stage)) == INTERVAL
    line.arrives(Stored("newer", "later"))
    assert seconds(await until_rest(stage)) == INTERVAL
    assert sorted(await texts(house, line)) == ["after", "later"]
    assert house.board.of(DESK).state is LineState.READY


async def test_history_publishes_what_is_older_as_well(house: House) -> None:
    """Where the settings ask for it."""
    line = DeskLine(history=True)
    line.arrives(Stored("old", "before", time=CONSENT - timedelta(days=400)))
    await until_rest(syncer(house, line))
    assert await texts(house, line) == ["before"]


async def test_a_line_that_does_not_say_since_when_publishes_what_comes_from_now_on(house: House) -> None:
    """What is there at the first comparison is older than that."""
    line = DeskLine(standing=ConsentStanding(given=True))
    line.arrives(Stored("old", "before", time=NOW - timedelta(seconds=1)))
    stage = syncer(house, line)
    await until_rest(stage)
    line.arrives(Stored("new", "after"))
    await until_rest(stage)
    assert await texts(house, line) == ["after"]


async def test_read_updated_and_deleted_messages_are_told(house: House) -> None:
    """With the provider's id."""
    line = DeskLine()
    line.arrives(Stored("a"), Stored("b"))
    stage = syncer(house, line)
    await until_rest(stage)
    line.changes("a", unread=False)
    line.loses("b")
    await until_rest(stage)
    assert await events(house, "deleted") == ["b"]
    assert [*await events(house, "read"), *await events(house, "updated")] == ["a"]


async def test_a_restart_goes_on_from_the_cursor(house: House) -> None:
    """Nothing is listed again, and what came meanwhile is announced."""
    line = DeskLine()
    await until_rest(syncer(house, line))
    await house.restart()
    line.arrives(Stored("meanwhile", "meanwhile"))
    await until_rest(syncer(house, line))
    assert line.calls["list"] == 1
    assert await texts(house, line) == ["meanwhile"]


async def test_changes_that_the_journal_cannot_take_come_again(house: House) -> None:
    """The cursor moves with what it brought, or not at all."""
    line = DeskLine()
    stage = syncer(house, line)
    await until_rest(stage)
    line.arrives(Stored("a", "once"))
    with house.broken("mail"), pytest.raises(JournalError):
        await until_rest(stage)
    await until_rest(stage)
    assert await texts(house, line) == ["once"]


async def test_a_cursor_that_is_forgotten_leads_to_one_comparison_that_neither_repeats_nor_forgets(
    house: House,
) -> None:
    """What came, changed and went while nobody could follow is told once."""
    line = DeskLine()
    line.arrives(Stored("kept", "kept"), Stored("gone", "gone"))
    stage = syncer(house, line)
    await until_rest(stage)
    line.arrives(Stored("new", "new"))
    line.loses("gone")
    line.known_from = len(line.log)
    assert seconds(await until_rest(stage)) == INTERVAL
    assert line.calls["list"] == 2
    assert sorted(await texts(house, line)) == ["kept", "new"]
    assert await events(house, "deleted") == ["gone"]
    assert house.board.of(DESK).state is LineState.READY


async def test_a_consent_that_was_renewed_hides_nothing_that_came_since_the_first(house: House) -> None:
    """Even where the cursor was forgotten in between."""
    line = DeskLine()
    stage = syncer(house, line)
    await until_rest(stage)
    await house.clock.advance(7200)
    line.arrives(Stored("between", "between", time=house.clock.now() - timedelta(seconds=60)))
    line.standing = ConsentStanding(given=True, since=house.clock.now())
    line.known_from = len(line.log)
    await until_rest(stage)
    assert await texts(house, line) == ["between"]


async def test_a_provider_that_forgets_every_cursor_is_not_asked_without_a_rest(house: House) -> None:
    """A comparison that helps nobody is not repeated at once."""
    line = DeskLine()
    line.arrives(Stored("a"))
    line.known_from = 10**9
    stage = syncer(house, line)
    for _ in range(3):
        assert seconds(await until_rest(stage)) >= INTERVAL
    assert line.calls["list"] <= 4
    assert house.board.of(DESK).state is LineState.UNREACHABLE


async def test_changes_that_cannot_be_read_are_kept_once_and_everything_is_compared(house: House) -> None:
    """A person gets the bytes, and the subscriber's messages flow."""
    line = DeskLine()
    stage = syncer(house, line)
    await until_rest(stage)
    for text in ("one", "two"):
        line.arrives(Stored(text, text))
        line.fails("changes", Malformed("no JSON", b"garbage"))
        assert seconds(await until_rest(stage)) == INTERVAL
    assert await texts(house, line) == ["one", "two"]
    assert [body["what"] for body in await house.bodies("dead")] == ["changes"]
    assert line.calls["list"] == 3


async def test_a_listing_that_cannot_be_read_either_shows_on_the_line_and_is_tried_less_and_less(house: House) -> None:
    """It never spins, and ends when the provider is itself again."""
    line = DeskLine()
    line.arrives(Stored("a", "at last"))
    line.fails("list", *(Malformed("no JSON", b"garbage") for _ in range(8)))
    stage = syncer(house, line)
    rests = [seconds(await until_rest(stage)) for _ in range(8)]
    assert line.calls["list"] == 8
    assert min(rests) >= INTERVAL
    assert rests[-1] > 2 * INTERVAL
    assert house.board.of(DESK).state is LineState.UNREACHABLE
    await until_rest(stage)
    assert await texts(house, line) == ["at last"]
    assert len(await house.bodies("dead")) == 1
    assert house.board.of(DESK).state is LineState.READY


async def test_a_store_that_is_being_made_ready_is_asked_when_it_says(house: House) -> None:
    """That is no trouble, until it takes too long."""
    line = DeskLine()
    line.fails("prepare", *(NotReady(problem(), 5.0) for _ in range(200)))
    stage = syncer(house, line)
    assert seconds(await until_rest(stage)) == 5
    assert house.board.of(DESK).state is LineState.READY
    await house.clock.advance(601)
    await until_rest(stage)
    assert house.board.of(DESK).state is LineState.STALE
    line.errors["prepare"].clear()
    await until_rest(stage)
    assert house.board.of(DESK).state is LineState.READY
    assert line.calls["prepare"] == 3


async def test_a_store_that_is_suddenly_not_ready_is_prepared_again(house: House) -> None:
    """AT&T drops an index that was not used for long."""
    line = DeskLine()
    stage = syncer(house, line)
    await until_rest(stage)
    line.fails("changes", NotReady(problem()))
    assert seconds(await until_rest(stage)) > 0
    await until_rest(stage)
    assert line.calls["prepare"] == 2
    assert line.calls["list"] == 1


async def test_without_consent_nothing_is_asked_until_the_bell_rings(house: House) -> None:
    """The line says what is missing, for as long as it is."""
    line = DeskLine(standing=ConsentStanding(given=False, reason="never_given"))
    line.fails("prepare", ConsentRequired(problem(ErrorCode.CONSENT_REQUIRED)))
    stage = syncer(house, line)
    for _ in range(5):
        rest = await until_rest(stage)
        assert seconds(rest) == CONSENT_PAUSE
        assert house.board.of(DESK).state is LineState.CONSENT_REQUIRED
    assert line.calls["prepare"] == 1
    line.standing = ConsentStanding(given=True, since=NOW)
    house.journal.ring(f"consent:{DESK}")
    await rest.over(house.clock)
    assert seconds(await until_rest(stage)) == INTERVAL
    assert house.board.of(DESK).state is LineState.READY


async def test_a_line_that_is_wrong_about_its_consent_makes_nobody_spin(house: House) -> None:
    """It says that consent is there, and refuses for want of it."""
    line = DeskLine()
    line.fails("prepare", *(ConsentRequired(problem(ErrorCode.CONSENT_REQUIRED)) for _ in range(9)))
    stage = syncer(house, line)
    for asked in (1, 2, 3):
        assert seconds(await until_rest(stage)) == CONSENT_PAUSE
        assert line.calls["prepare"] == asked


@pytest.mark.parametrize(
    ("error", "state", "least"),
    [
        (TryLater(problem(), 7.0), LineState.UNREACHABLE, 7.0),
        (TryLater(problem()), LineState.UNREACHABLE, 1.0),
        (OutcomeUnknown(problem()), LineState.UNREACHABLE, INTERVAL),
        (Throttled(problem()), LineState.THROTTLED, INTERVAL),
        (Throttled(problem(), 1e9), LineState.THROTTLED, LONGEST_WAIT),
        (NotAuthorized(problem()), LineState.UNAUTHORIZED, 60.0),
        (CursorInvalid(problem()), LineState.UNREACHABLE, INTERVAL),
    ],
)
async def test_a_listing_that_fails_is_tried_again(
    house: House, error: RelayError, state: LineState, least: float
) -> None:
    """After a rest, with the trouble on the line; nothing was deleted by asking."""
    line = DeskLine()
    line.arrives(Stored("a", "still there"))
    line.fails("list", error)
    stage = syncer(house, line)
    assert least <= seconds(await until_rest(stage)) <= max(least, 3.0)
    assert house.board.of(DESK).state is state
    await until_rest(stage)
    assert await texts(house, line) == ["still there"]
    assert house.board.of(DESK).state is LineState.READY


async def test_a_store_of_many_pages_is_listed_whole(house: House) -> None:
    """Each page begins with the end of the one before."""
    line = DeskLine(page=10, history=True)
    line.arrives(*(Stored(f"m{number}", f"text {number}") for number in range(95)))
    await until_rest(syncer(house, line))
    assert line.calls["list"] == 11
    assert sorted(await texts(house, line)) == sorted(f"text {number}" for number in range(95))


async def test_what_arrives_while_the_store_is_listed_is_announced_once(house: House) -> None:
    """It is told from the first page's cursor, and repeated entries are one."""
    line = DeskLine(page=10)
    line.arrives(*(Stored(f"m{number}", f"text {number}") for number in range(30)))
    line.during["list"].extend(Stored(f"late{number}", f"late {number}") for number in range(2))
    await until_rest(syncer(house, line))
    found = await texts(house, line)
    assert len(found) == len(set(found)) == 32


async def test_a_message_that_is_deleted_while_the_store_is_listed_hides_no_other(house: House) -> None:
    """A page that does not begin with the end of the one before makes the listing begin again."""
    line = DeskLine(page=10)
    line.arrives(*(Stored(f"m{number}", f"text {number}") for number in range(30)))
    line.during["list"].append("m25")
    stage = syncer(house, line)
    await until_rest(stage)
    assert sorted(await texts(house, line)) == sorted(f"text {number}" for number in range(30) if number != 25)
    assert await events(house, "deleted") == []


async def test_a_store_that_changes_faster_than_it_can_be_listed_is_tried_later(house: House) -> None:
    """Rather than taking what is there for gone."""
    line = DeskLine(page=10)
    line.arrives(*(Stored(f"m{number}") for number in range(100)))
    line.during["list"].extend(f"m{99 - number}" for number in range(2 * TORN_TRIES))
    stage = syncer(house, line)
    assert seconds(await until_rest(stage)) < INTERVAL
    assert house.board.of(DESK).state is LineState.UNREACHABLE
    line.during["list"].clear()
    await until_rest(stage)
    assert await events(house, "deleted") == []


async def test_a_provider_whose_total_is_too_high_ends_the_listing_all_the_same(house: House) -> None:
    """A page that brings nothing new is the last."""

    class Boasting(DeskLine):
        async def list_mail(self, offset: int, limit: int, *, unread: bool = False) -> MailPage:
            return replace(await super().list_mail(offset, limit, unread=unread), total=10**6)

    line = Boasting()
    line.arrives(Stored("a", "a"))
    await until_rest(syncer(house, line))
    assert line.calls["list"] == 2
    assert await texts(house, line) == ["a"]


async def test_a_store_without_end_is_refused_and_shown(house: House) -> None:
    """What is listed is bounded."""
    line = DeskLine(page=2)
    line.arrives(*(Stored(f"m{number}") for number in range(MOST_PAGES + 10)))
    stage = syncer(house, line)
    assert seconds(await until_rest(stage)) >= INTERVAL
    health = house.board.of(DESK)
    assert (health.state, health.reason) == (LineState.SUSPENDED, "too_large")


class Restless(DeskLine):
    """A store in which the same thing changes for ever, or whose cursor moves for nothing."""

    empty = False

    async def fetch_changes(self, cursor: str) -> MailChanges:
        """Always the same, and always a new cursor."""
        self._called("changes")
        entry = self.store["a"].entry
        return MailChanges(str(int(cursor) + 1), () if self.empty else (entry,))


@pytest.mark.parametrize(("empty", "asked"), [(True, 1), (False, ROUNDS_AT_ONCE)])
async def test_a_cursor_that_moves_for_ever_makes_nobody_spin(house: House, empty: bool, asked: int) -> None:
    """Empty changes rest at once, others after a while; and the message is announced once."""
    line = Restless()
    line.empty = empty
    line.arrives(Stored("a", "once"))
    stage = syncer(house, line)
    assert seconds(await until_rest(stage)) == INTERVAL
    assert line.calls["changes"] == asked
    await until_rest(stage)
    assert await texts(house, line) == ["once"]
