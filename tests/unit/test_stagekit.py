"""A window of work in flight that refills, and the rests between steps."""

import asyncio
from collections.abc import Callable

import pytest

from relay.journal.bells import Bell
from relay.simulator.virtual import ManualClock
from relay.stagekit import Rest, Stage, Window

GRACE = 5.0  # real seconds that nobody needs


class Work:
    """Pieces of work that end when a test says so."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Event] = {}
        self.ended: list[str] = []
        self.cancelled: list[str] = []

    async def piece(self, name: str, error: Exception | None = None) -> str:
        """Work until it is let go; fail then if there is an error to fail with."""
        gate = self.gates.setdefault(name, asyncio.Event())
        try:
            await gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        if error:
            raise error
        self.ended.append(name)
        return name

    def let(self, *names: str) -> None:
        """Let these end."""
        for name in names:
            self.gates.setdefault(name, asyncio.Event()).set()


@pytest.fixture
def work() -> Work:
    """Work to do."""
    return Work()


async def turns(until: Callable[[], bool]) -> None:
    """Let other tasks run until it is so."""
    async with asyncio.timeout(GRACE):
        while not until():  # noqa: ASYNC110 - nobody tells when it has come about
            await asyncio.sleep(0)


async def test_a_window_holds_so_many_pieces_and_no_more(work: Work) -> None:
    """Whoever wants room waits while all places are taken."""
    window = Window(2)
    for name in ("a", "b"):
        await window.room()
        window.start(work.piece(name), name)
    waiting = asyncio.create_task(window.room())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert window.busy == 2
    work.let("a")
    await asyncio.wait_for(waiting, GRACE)
    assert window.busy == 1
    await end(window, work, "b")


async def test_a_window_bears_so_much_weight_and_no_more(work: Work) -> None:
    """Light pieces fill it together; a piece that is heavier than the window is in flight alone."""
    window = Window(10, 100)
    for name, weight in (("a", 60), ("b", 40)):
        await window.room(weight)
        window.start(work.piece(name), name, weight)
    waiting = asyncio.create_task(window.room(500))
    await turns(lambda: len(work.gates) == 2)
    work.let("a")
    await turns(lambda: work.ended == ["a"])
    assert not waiting.done()
    work.let("b")
    async with asyncio.timeout(GRACE):
        await waiting
    window.start(work.piece("heavy"), "heavy", 500)
    waiting = asyncio.create_task(window.room(1))
    await turns(lambda: "heavy" in work.gates)
    assert not waiting.done()
    work.let("heavy")
    async with asyncio.timeout(GRACE):
        await waiting


async def end(window: Window, work: Work, *names: str) -> None:
    """End what is in flight."""
    work.let(*names)
    await window.drain(GRACE)


async def test_who_rests_although_there_is_room_is_told_when_there_is_more(work: Work) -> None:
    """Once, and after the place is free."""
    window, told = Window(3), list[int]()
    for name in ("a", "b"):
        window.start(work.piece(name), name)
    assert window.free == 1
    window.when_freed(lambda: told.append(window.free))
    work.let("a")
    await turns(lambda: window.busy == 1)
    assert told == [2]
    await end(window, work, "b")
    assert told == [2]


async def test_a_window_never_waits_for_the_slowest_piece(work: Work) -> None:
    """Ninety-nine pieces pass through the second place while one slow piece holds the first."""
    window = Window(2)
    window.start(work.piece("slow"), "slow")
    for number in range(99):
        name = f"quick-{number}"
        work.let(name)
        await asyncio.wait_for(window.room(), GRACE)
        window.start(work.piece(name), name)
    await asyncio.wait_for(window.room(), GRACE)
    assert len(work.ended) == 99
    assert window.busy == 1
    await end(window, work, "slow")


async def test_drain_lets_what_is_in_flight_finish(work: Work) -> None:
    """A stage that stops does not cut its calls."""
    window = Window(3)
    for name in ("a", "b"):
        window.start(work.piece(name), name)
    draining = asyncio.create_task(window.drain(GRACE))
    await asyncio.sleep(0)
    work.let("a", "b")
    await draining
    assert sorted(work.ended) == ["a", "b"]
    assert work.cancelled == []


async def test_drain_cancels_what_is_late_and_sees_it_end(work: Work) -> None:
    """The grace is a bound: what takes longer is cancelled, and has ended when drain returns."""
    window = Window(2)
    window.start(work.piece("never"), "never")
    await asyncio.sleep(0)
    await window.drain(0.01)
    assert work.cancelled == ["never"]
    assert window.busy == 0


async def test_draining_nothing_is_nothing() -> None:
    """An idle stage stops at once."""
    await Window(1).drain(GRACE)


async def test_an_unexpected_failure_surfaces_at_the_next_room(work: Work) -> None:
    """The supervisor sees what a piece failed with, because the stage's next step raises it."""
    window = Window(2)
    window.start(work.piece("bad", OSError("broken")), "bad")
    work.let("bad")
    await turns(lambda: window.busy == 0)
    with pytest.raises(OSError, match="broken"):
        await window.room()
    await asyncio.wait_for(window.room(), GRACE)


async def test_a_failure_wakes_whoever_waits_for_room(work: Work) -> None:
    """It need not wait for a place to be wanted again."""
    window = Window(1)
    window.start(work.piece("bad", OSError("broken")), "bad")
    waiting = asyncio.create_task(window.room())
    await asyncio.sleep(0)
    work.let("bad")
    with pytest.raises(OSError, match="broken"):
        await asyncio.wait_for(waiting, GRACE)


async def test_what_failed_together_is_one_failure(work: Work) -> None:
    """Sixty pieces that met the same trouble do not make sixty steps fail after it is over."""
    window = Window(60)
    names = [f"bad-{number}" for number in range(60)]
    for name in names:
        window.start(work.piece(name, OSError("the disk is full")), name)
    work.let(*names)
    await turns(lambda: window.busy == 0)
    with pytest.raises(OSError, match="disk"):
        await window.room()
    await asyncio.wait_for(window.room(), GRACE)


async def test_run_gives_what_the_piece_gives(work: Work) -> None:
    """A step can wait for its piece."""
    work.let("a")
    assert await Window(1).run(work.piece("a"), "a") == "a"


async def test_run_raises_what_the_piece_raises_and_once_only(work: Work) -> None:
    """The failure is the step's own, and the next step begins anew."""
    window = Window(1)
    work.let("bad")
    with pytest.raises(OSError, match="broken"):
        await window.run(work.piece("bad", OSError("broken")), "bad")
    await asyncio.wait_for(window.room(), GRACE)


async def test_cancelling_run_leaves_the_piece_in_flight(work: Work) -> None:
    """A stop ends the step, never the fetch whose page is deleted at the provider; drain waits for that."""
    window = Window(1)
    step = asyncio.create_task(window.run(work.piece("fetch"), "fetch"))
    await turns(lambda: "fetch" in work.gates)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    assert window.busy == 1
    await end(window, work, "fetch")
    assert work.ended == ["fetch"]


async def test_run_gives_nothing_where_drain_cancelled_its_piece(work: Work) -> None:
    """The step that waits ends, without an error of its own."""
    window = Window(1)
    step = asyncio.create_task(window.run(work.piece("fetch"), "fetch"))
    await turns(lambda: "fetch" in work.gates)
    await window.drain(0.01)
    assert await asyncio.wait_for(step, GRACE) is None


async def test_a_rest_ends_when_its_time_is_over() -> None:
    """The time is that of the clock that is handed in, not a second sooner."""
    clock = ManualClock()
    resting = asyncio.create_task(Rest(30).over(clock))
    await clock.advance(29.9)
    assert not resting.done()
    await clock.advance(0.1)
    assert resting.done()


async def test_a_rest_ends_when_its_bell_rings() -> None:
    """The time need not pass then."""
    clock, bell = ManualClock(), Bell()
    resting = asyncio.create_task(Rest(30, bell).over(clock))
    await clock.advance(1)
    assert not resting.done()
    bell.ring()
    await asyncio.wait_for(resting, GRACE)


async def test_a_rest_with_a_silent_bell_ends_when_its_time_is_over() -> None:
    """A ring that was missed costs a rest, not the work."""
    clock = ManualClock()
    resting = asyncio.create_task(Rest(30, Bell()).over(clock))
    await clock.advance(30)
    assert resting.done()


async def test_a_rest_without_time_lasts_until_the_bell_rings() -> None:
    """However long that is."""
    clock, bell = ManualClock(), Bell()
    resting = asyncio.create_task(Rest(bell=bell).over(clock))
    await clock.advance(1_000_000)
    assert not resting.done()
    bell.ring()
    await asyncio.wait_for(resting, GRACE)


async def test_a_ring_before_the_rest_is_not_lost() -> None:
    """Work that came while the stage was busy ends its next rest at once, and only that one."""
    clock, bell = ManualClock(), Bell()
    bell.ring()
    await asyncio.wait_for(Rest(30, bell).over(clock), GRACE)
    resting = asyncio.create_task(Rest(30, bell).over(clock))
    await clock.advance(1)
    assert not resting.done()
    await clock.advance(30)
    assert resting.done()


@pytest.mark.parametrize(
    "rest",
    [Rest(0), Rest(-5), Rest(-5, Bell()), Rest(0, Bell())],
    ids=["now", "long ago", "long ago with a bell", "now with a bell"],
)
async def test_a_rest_whose_time_has_come_is_over(rest: Rest) -> None:
    """What was due in the past is done now."""
    await asyncio.wait_for(rest.over(ManualClock()), GRACE)


async def test_a_rest_can_be_cut_and_keeps_the_ring() -> None:
    """A stage in a rest stops at once; a ring that comes later is there for the next."""
    clock, bell = ManualClock(), Bell()
    resting = asyncio.create_task(Rest(30, bell).over(clock))
    await clock.advance(1)
    resting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await resting
    bell.ring()
    await asyncio.wait_for(Rest(30, bell).over(clock), GRACE)


async def test_a_stage_without_a_step_says_so() -> None:
    """Forgetting it is seen at the first step, by the class's name."""
    with pytest.raises(TypeError, match="Stage has no step"):
        await Stage().step()
    await Stage().drain(GRACE)
