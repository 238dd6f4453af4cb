"""The ballast is real, and the journal opens and shuts without flapping."""

from pathlib import Path

import pytest

from relay.journal.ballast import Ballast
from relay.journal.space import PROBED_EVERY, RARELY, SOON, Shut, Space
from tests.contract.journal.desk import StillClock

SIZE = 256 * 1024
NEVER = 1 << 60  # bytes, that no disk has


class Ticking:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The seconds."""
        return self.now


@pytest.fixture
def ticking() -> Ticking:
    """Seconds."""
    return Ticking()


@pytest.fixture
def ballast(tmp_path: Path) -> Ballast:
    """One of a quarter of a MiB."""
    return Ballast(tmp_path / "relay.db", SIZE)


@pytest.fixture
def space(ballast: Ballast, ticking: Ticking) -> Space:
    """One with that ballast."""
    return Space(ballast, StillClock(), ticking)


def held(folder: Path) -> int:
    """The bytes that the ballast really has."""
    return (folder / "relay.db.ballast").stat().st_blocks * 512


def probed(space: Space, ticking: Ticking) -> float:
    """Shut, wait for the probe and open; how long that was."""
    assert isinstance(space.close("why"), Shut)
    wait = space.wait
    assert wait is not None
    ticking.now += wait
    assert space.wait == 0
    assert space.open(lambda: True) is not None
    return wait


def test_the_ballast_is_allocated_given_up_and_made_again(ballast: Ballast, tmp_path: Path) -> None:
    """Only relay's user may read it; nothing is made twice."""
    assert ballast.make()
    assert held(tmp_path) >= SIZE
    assert (tmp_path / "relay.db.ballast").stat().st_mode & 0o777 == 0o600
    assert ballast.give_up()
    assert held(tmp_path) == 0
    assert not ballast.give_up()
    assert ballast.make(spare=True)
    assert held(tmp_path) >= SIZE


def test_a_file_that_is_only_said_to_be_long_is_no_ballast(ballast: Ballast, tmp_path: Path) -> None:
    """A hole holds nothing back."""
    with (tmp_path / "relay.db.ballast").open("wb") as file:
        file.truncate(SIZE)
    assert held(tmp_path) == 0
    assert ballast.make()
    assert held(tmp_path) >= SIZE


def test_what_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    """The disk is not filled to find that out."""
    huge = Ballast(tmp_path / "relay.db", NEVER)
    assert not huge.make()
    assert not (tmp_path / "relay.db.ballast").exists()


def test_without_room_for_the_ballast_it_is_shut_from_the_start(tmp_path: Path, ticking: Ticking) -> None:
    """And says what is wrong."""
    space = Space(Ballast(tmp_path / "relay.db", NEVER), StillClock(), ticking)
    shut = space.hold()
    assert shut is not None
    assert "free some space" in shut.why
    assert space.shut is shut


def test_a_disk_that_does_not_answer_has_no_room(ticking: Ticking, tmp_path: Path) -> None:
    """The thread that writes outlives it."""
    gone = Ballast(tmp_path / "gone" / "relay.db", SIZE)
    assert gone.free == 0
    assert not gone.make()
    assert Space(gone, StillClock(), ticking).hold() is not None


def test_it_is_shut_once(space: Space) -> None:
    """Whoever finds the disk full after the first has nothing to tell."""
    first = space.close("why")
    assert first is not None
    assert space.close("another") is None
    assert space.shut is first


class Filling(Ballast):
    """On a disk that has `left` bytes."""

    left = NEVER

    @property
    def free(self) -> int:
        """As it is said."""
        return self.left


def test_what_was_not_shut_for_want_of_room_opens_without_more_of_it(tmp_path: Path, ticking: Ticking) -> None:
    """As where another program held the file locked: the ballast was not touched."""
    ballast = Filling(tmp_path / "relay.db", SIZE)
    space = Space(ballast, StillClock(), ticking)
    assert space.hold() is None
    ballast.left = 0
    for is_full in (False, True):
        space.close("why", is_full=is_full)
        ticking.now += SOON
        assert (space.open(lambda: True) is None) is is_full


def test_it_opens_only_when_something_could_be_written(space: Space, ticking: Ticking) -> None:
    """Room alone is not enough: the disk may be read-only."""
    space.close("why")
    ticking.now += PROBED_EVERY
    assert space.open(lambda: False) is None
    assert space.shut is not None
    assert space.wait == PROBED_EVERY
    assert space.open(lambda: True) is not None
    assert space.shut is None
    assert space.wait is None


def test_a_disk_that_is_full_again_at_once_is_probed_less_and_less(space: Space, ticking: Ticking) -> None:
    """Up to a minute apart; and as often as ever once it held."""
    waits = [probed(space, ticking) for _ in range(9)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert max(waits) == RARELY
    ticking.now += SOON
    assert probed(space, ticking) == PROBED_EVERY
