"""Stages that fail, rest, hang and stop; and what systemd hears of it."""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.domain.schedule import calls_share
from relay.ids import Ids
from relay.journal import JournalDamaged
from relay.journal.bells import Bell
from relay.simulator.virtual import ManualClock
from relay.stagekit import Rest, Stage, Window
from relay.supervisor import STUCK_AFTER, Supervisor, keep_watchdog
from relay.telemetry.health import LineBoard, LineState, Pulse
from relay.telemetry.notify import Notifier

GRACE = 5.0


class Scripted(Stage):
    """A stage that does what a test says, step by step; at the end of the script it rests."""

    def __init__(self, name: str, *script: Exception | Rest | None, line: str | None = None) -> None:
        self.name = name
        self.line = line
        self.script = list(script)
        self.steps = 0
        self.drained: float | None = None
        self.on_drain: Callable[[], Awaitable[None]] | None = None

    async def step(self) -> Rest | None:
        """Do what comes next."""
        self.steps += 1
        await asyncio.sleep(0)
        act = self.script.pop(0) if self.script else Rest(3600)
        if isinstance(act, Exception):
            raise act
        return act

    async def drain(self, seconds: float) -> None:
        """Note how long it may take."""
        self.drained = seconds
        if self.on_drain:
            await self.on_drain()


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def clock() -> ManualClock:
    """Time that the test moves."""
    return ManualClock()


@pytest.fixture
def board(clock: ManualClock) -> LineBoard:
    """How the lines stand."""
    return LineBoard(clock, ["alerts", "office"])


@pytest.fixture
def pulse() -> Pulse:
    """The stages' progress."""
    return Pulse()


@pytest.fixture
def supervisor(clock: ManualClock, board: LineBoard, pulse: Pulse) -> Supervisor:
    """Who runs the stages."""
    return Supervisor(clock, Ids(clock, random.Random(7)), board, pulse, GRACE)  # noqa: S311 - chance that repeats


async def test_a_step_that_says_there_may_be_more_is_followed_at_once(
    supervisor: Supervisor, clock: ManualClock
) -> None:
    """None means no rest; a rest means that nothing happens before its end."""
    stage = Scripted("one", None, None, Rest(10), None)
    async with supervisor.running([stage]):
        await clock.advance(9.9)
        assert stage.steps == 3
        await clock.advance(0.1)
        assert stage.steps == 5


async def test_a_stage_that_fails_rests_longer_each_time(supervisor: Supervisor, clock: ManualClock) -> None:
    """Its tries thin out to one a minute, so that trouble does not become a storm."""
    stage = Scripted("bad", *[OSError("broken")] * 1000)
    in_first_minute = in_last_hour = 0
    async with supervisor.running([stage]):
        await clock.advance(60)
        in_first_minute = stage.steps
        await clock.advance(3600)
        in_last_hour = stage.steps - in_first_minute
    assert 5 <= in_first_minute <= 8
    assert 50 <= in_last_hour <= 80


async def test_a_damaged_journal_is_told_once(
    supervisor: Supervisor, clock: ManualClock, logs: list[MutableMapping[str, Any]]
) -> None:
    """Every stage meets it, again and again: one line says what to do, and the lines show that they are suspended."""
    stages = [Scripted(name, *[JournalDamaged("run `relay restore FILE`")] * 100, line="alerts") for name in "ab"]
    async with supervisor.running(stages):
        await clock.advance(3600)
    told = [line for line in logs if line["log_level"] in {"error", "critical"}]
    assert [(line["event"], line["reason"]) for line in told] == [("journal.damaged", "run `relay restore FILE`")]


async def test_the_others_do_not_notice_a_stage_that_fails(supervisor: Supervisor, clock: ManualClock) -> None:
    """Each stage has a loop of its own."""
    bad, good = Scripted("bad", *[OSError("broken")] * 100), Scripted("good", *[Rest(1)] * 100)
    async with supervisor.running([bad, good]):
        await clock.advance(60)
    assert good.steps == 61
    assert bad.steps < 10


async def test_a_line_whose_stage_fails_is_suspended_until_it_works_again(
    supervisor: Supervisor, clock: ManualClock, board: LineBoard
) -> None:
    """The trouble shows in that line's status and in no other's, and goes when it is over."""
    stage = Scripted("sender/alerts", OSError("broken"), OSError("broken"), Rest(3600), line="alerts")
    async with supervisor.running([stage]):
        await clock.advance(0)
        assert board.of("alerts").state is LineState.SUSPENDED
        assert board.of("alerts").reason == "stage_failing"
        assert board.of("office").state is LineState.READY
        await clock.advance(10)
        assert stage.steps == 3
        assert board.of("alerts").state is LineState.READY


async def test_a_failure_after_a_recovery_counts_from_one(
    supervisor: Supervisor, clock: ManualClock, logs: list[MutableMapping[str, Any]]
) -> None:
    """What failed last week does not make today's rests long."""
    stage = Scripted("bad", *[OSError("old")] * 6, Rest(10_000), OSError("new"))
    async with supervisor.running([stage]):
        await clock.advance(11_000)
    told = [(line["event"], line.get("failures")) for line in logs]
    assert told == [*(("stage.failed", n) for n in range(1, 7)), ("stage.recovered", None), ("stage.failed", 1),
                    ("stage.recovered", None)]  # fmt: skip


async def test_a_stage_in_rest_stops_at_once(supervisor: Supervisor, clock: ManualClock) -> None:
    """Nobody waits for the end of a rest, whether of time or of a bell."""
    rests = Rest(3600), Rest(bell=Bell()), Rest(3600, Bell())
    stages = [Scripted(f"stage-{number}", rest) for number, rest in enumerate(rests)]
    async with asyncio.timeout(GRACE):
        async with supervisor.running(stages):
            await clock.advance(1)
    assert [stage.steps for stage in stages] == [1, 1, 1]


async def test_what_is_in_flight_has_the_grace_to_finish(supervisor: Supervisor, clock: ManualClock) -> None:
    """Every stage is drained after its last step, with the grace of the settings but for what is kept to tell of it."""
    stages = [Scripted("one"), Scripted("two")]
    async with supervisor.running(stages):
        await clock.advance(1)
        assert [stage.drained for stage in stages] == [None, None]
    assert [stage.drained for stage in stages] == [pytest.approx(calls_share(GRACE), abs=1.0)] * 2


class Tidy(Stage):
    """A stage that has something to give back when its step is ended."""

    name = "tidy"
    given_back = False

    async def step(self) -> Rest | None:
        """Wait for ever; give back what was taken."""
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            self.given_back = True
        return None


class Brink(ManualClock):
    """A clock on which a rest expires, and a stop comes, in one and the same turn of the event loop."""

    stop: Callable[[], None]

    async def wait(self, awaited: Awaitable[Any], seconds: float) -> Any:
        """Expire at once, and stop before that is noticed."""
        del seconds
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as rest:
            rest.reschedule(loop.time())
            loop.call_soon(self.stop)
            return await awaited


async def test_a_stop_in_the_moment_in_which_a_rest_expires_is_heard() -> None:
    """A time-out that expires is a cancellation, too: it was once taken for the stop, and relay never ended."""
    clock = Brink()
    ids = Ids(clock, random.Random(7))  # noqa: S311 - a seed repeats the run
    supervisor = Supervisor(clock, ids, LineBoard(clock, []), Pulse(), GRACE)
    stage = Scripted("rests", Rest(30, Bell()))
    clock.stop = supervisor.stop
    async with asyncio.timeout(GRACE), supervisor.running([stage]):
        await asyncio.gather(*supervisor._beginning, return_exceptions=True)
    assert stage.steps == 1


async def test_a_stop_ends_a_step_once(supervisor: Supervisor, clock: ManualClock) -> None:
    """However many blocks are left, what a step does because of its end is not cut short."""
    stage = Tidy()
    async with supervisor.running([stage]), supervisor.running([Scripted("one")]), supervisor.running([]):
        await clock.advance(1)
        supervisor.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert stage.given_back


class Calling(Stage):
    """A stage with a call in flight, which ends when it is drained for long enough."""

    name = "calling"

    def __init__(self) -> None:
        self.window = Window(1)
        self.answer = asyncio.Event()
        self.began = asyncio.Event()
        self.finished = False

    async def step(self) -> Rest | None:
        """Begin the call, wait for it."""
        await self.window.run(self._call(), self.name)
        return Rest(3600)

    async def drain(self, seconds: float) -> None:
        """Let it finish."""
        await self.window.drain(seconds)

    async def _call(self) -> None:
        self.began.set()
        await self.answer.wait()
        self.finished = True


async def test_a_stop_ends_the_step_and_lets_the_call_finish(supervisor: Supervisor) -> None:
    """The loop is cut, the call is not."""
    stage = Calling()
    async with asyncio.timeout(GRACE):
        async with supervisor.running([stage]):
            await stage.began.wait()
            asyncio.get_running_loop().call_soon(stage.answer.set)
    assert stage.finished


async def test_what_starts_later_stops_first(supervisor: Supervisor, clock: ManualClock) -> None:
    """Outflow is started before inflow, and is still running while inflow is drained."""
    order: list[str] = []
    outflow, inflow = Scripted("outflow", *[None] * 10_000), Scripted("inflow")

    async def outflow_ended() -> None:
        order.append("outflow")

    async def inflow_ended() -> None:
        before = outflow.steps
        await _until(lambda: outflow.steps >= before + 3)
        order.append("inflow")

    outflow.on_drain, inflow.on_drain = outflow_ended, inflow_ended
    async with asyncio.timeout(GRACE):
        async with supervisor.finishing([outflow]), supervisor.running([inflow]):
            await clock.advance(0)
    assert order == ["inflow", "outflow"]


async def test_nothing_new_begins_anywhere_once_a_stop_has_begun(supervisor: Supervisor, clock: ManualClock) -> None:
    """While one group drains, the steps of all the others have ended, those of what works off the rest excepted."""
    outflow, sender, poller = (Scripted(name, *[None] * 100_000) for name in ("outflow", "sender", "poller"))
    steps: dict[str, int] = {}

    async def long_drain() -> None:
        steps.update(outflow=outflow.steps, sender=sender.steps)
        await _until(lambda: outflow.steps >= steps["outflow"] + 100)
        steps.update(outflow=outflow.steps)

    poller.on_drain = long_drain
    async with asyncio.timeout(GRACE):
        async with supervisor.finishing([outflow]), supervisor.running([sender]), supervisor.running([poller]):
            await clock.advance(0)
            supervisor.stop()
            began = sender.steps
    assert sender.steps in {began, began + 1}  # the step that the stop met


async def test_all_stages_share_one_grace(supervisor: Supervisor, clock: ManualClock) -> None:
    """What one group has used of it, the next has no more: a stop takes no longer than the settings say."""
    stages = [Scripted(name) for name in ("last", "middle", "first")]
    last, middle, first = stages

    async def hang() -> None:
        started = asyncio.get_running_loop().time()
        await _until(lambda: asyncio.get_running_loop().time() >= started + 0.2)

    first.on_drain = hang
    async with supervisor.finishing([last]), supervisor.running([middle]), supervisor.running([first]):
        await clock.advance(0)
    left = [stage.drained or 0.0 for stage in stages]
    assert left[2] <= calls_share(GRACE)
    assert left[1] <= left[2] - 0.2
    assert left[0] <= GRACE - 0.2
    assert left[0] > left[1]  # something was kept for it


async def test_what_works_off_the_rest_is_stepped_until_it_has_nothing_more_to_do(
    supervisor: Supervisor, clock: ManualClock
) -> None:
    """What the last drain brought is published before relay ends, whenever it came."""
    outflow, inflow = Scripted("outflow", Rest(3600)), Scripted("inflow")

    async def brings() -> None:
        outflow.script[:] = [None, None, Rest(3600), None]

    inflow.on_drain = brings
    async with supervisor.finishing([outflow]), supervisor.running([inflow]):
        await clock.advance(0)
    assert outflow.script == [None]


class Waiting(Stage):
    """A stage whose every step waits for something that may never come, such as a broker."""

    name = "waiting"
    drained = False

    async def step(self) -> Rest | None:
        """Wait."""
        await asyncio.Event().wait()
        return None

    async def drain(self, seconds: float) -> None:  # noqa: ARG002 - as every stage has it
        """Say so."""
        self.drained = True


async def test_what_has_no_end_is_not_waited_for_at_a_stop(clock: ManualClock, supervisor: Supervisor) -> None:
    """A broker that is away holds a stop up for as long only as was kept for it."""
    stage = Waiting()
    ours = Supervisor(clock, supervisor.ids, supervisor.board, supervisor.pulse, 1.0)
    async with asyncio.timeout(0.9):
        async with ours.finishing([stage]):
            await clock.advance(0)
    assert stage.drained


class Deaf(Stage):
    """A stage whose step swallows a cancellation and goes on as if nothing had happened."""

    name = "deaf"

    def __init__(self, rest: Rest | None) -> None:
        self.rest = rest
        self.began = asyncio.Event()

    async def step(self) -> Rest | None:
        """Wait; a cancellation ends that, and nothing else."""
        self.began.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return self.rest


@pytest.mark.parametrize("rest", [None, Rest(3600), Rest(bell=Bell())])
async def test_a_step_that_does_not_hear_the_stop_is_the_last_one(supervisor: Supervisor, rest: Rest | None) -> None:
    """A library that swallows a cancellation does not keep relay alive for ever."""
    stage = Deaf(rest)
    living = asyncio.create_task(_living(supervisor, stage))
    ended, _ = await asyncio.wait({living}, timeout=GRACE)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    assert ended


async def _living(supervisor: Supervisor, stage: Deaf) -> None:
    async with supervisor.running([stage]):
        await stage.began.wait()


async def test_one_stage_that_cannot_be_drained_does_not_keep_the_others_from_it(
    supervisor: Supervisor, clock: ManualClock, logs: list[MutableMapping[str, Any]]
) -> None:
    """A stop goes on to its end, and says what went wrong."""

    async def broken() -> None:
        raise OSError("the disk is full")

    bad, good = Scripted("bad", line="alerts"), Scripted("good")
    bad.on_drain = broken
    async with supervisor.running([bad, good]):
        await clock.advance(0)
    assert good.drained is not None
    assert [(line["event"], line["stage"]) for line in logs] == [("stage.undrained", "bad")]


class Stubborn(Stage):
    """A stage whose step answers a cancellation with another error."""

    name = "stubborn"

    def __init__(self) -> None:
        self.waiting = asyncio.Event()

    async def step(self) -> Rest | None:
        """Wait for ever, and fail at tidying up."""
        try:
            self.waiting.set()
            await asyncio.Event().wait()
        finally:
            raise OSError("tidying up failed too")


async def test_a_step_that_fails_while_it_is_stopped_stops_all_the_same(supervisor: Supervisor) -> None:
    """Trouble at the very end is not taken for one more failure to be tried again."""
    stage = Stubborn()
    async with asyncio.timeout(GRACE):
        async with supervisor.running([stage]):
            await stage.waiting.wait()


class Cancelled(Stage):
    """A stage that meets the cancellation of something else."""

    name = "cancelled"
    steps = 0

    async def step(self) -> Rest | None:
        """Wait for a future that somebody cancelled."""
        self.steps += 1
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone
        return None


async def test_a_cancellation_that_nobody_asked_for_is_a_failure(
    supervisor: Supervisor, clock: ManualClock, logs: list[MutableMapping[str, Any]]
) -> None:
    """A stage does not end in silence because something that it waited for was cancelled."""
    stage = Cancelled()
    async with supervisor.running([stage]):
        await clock.advance(60)
    assert stage.steps > 3
    assert {line["event"] for line in logs} == {"stage.failed"}


async def test_a_stage_that_has_stopped_is_not_stuck(supervisor: Supervisor, clock: ManualClock) -> None:
    """The pulse forgets it, even in the middle of a step."""
    seconds = [0.0]
    pulse = Pulse(lambda: seconds[0])
    stage = Stubborn()
    ours = Supervisor(clock, supervisor.ids, supervisor.board, pulse, GRACE)
    async with ours.running([stage]):
        await stage.waiting.wait()
        seconds[0] = 11.0
        assert pulse.stuck(10.0) == ["stubborn"]
    assert pulse.stuck(10.0) == []


class Ear:
    """What systemd would hear, on a real datagram socket."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)  # noqa: FBT003 - the socket's own signature

    async def next(self) -> str:
        """The next message."""
        async with asyncio.timeout(GRACE):
            return (await asyncio.get_running_loop().sock_recv(self._socket, 100)).decode()

    def rest(self) -> Counter[str]:
        """What else was said."""
        heard: Counter[str] = Counter()
        while True:
            try:
                heard[self._socket.recv(100).decode()] += 1
            except BlockingIOError:
                return heard

    def close(self) -> None:
        """Close it."""
        self._socket.close()


async def test_the_watchdog_is_told_while_stages_make_progress_and_not_while_one_is_stuck(
    tmp_path: Path, logs: list[MutableMapping[str, Any]]
) -> None:
    """It is the stages' progress that is told: a step that takes too long ends the messages, its end resumes them."""
    ear, seconds = Ear(tmp_path), [0.0]
    pulse = Pulse(lambda: seconds[0])
    watchdog = asyncio.create_task(keep_watchdog(Notifier(str(ear.path), watchdog_seconds=0.03), pulse))
    try:
        assert [await ear.next(), await ear.next()] == ["WATCHDOG=1"] * 2
        pulse.busy("sender/alerts")
        seconds[0] = STUCK_AFTER
        assert await ear.next() == "WATCHDOG=1"
        seconds[0] = STUCK_AFTER + 1
        ear.rest()
        await _until(lambda: len(logs) >= 3)
        assert ear.rest() == Counter()
        assert logs[0] == {"event": "stage.stuck", "stages": ["sender/alerts"], "log_level": "critical"}
        pulse.resting("sender/alerts")
        assert await ear.next() == "WATCHDOG=1"
    finally:
        watchdog.cancel()
        await asyncio.wait({watchdog})
        ear.close()


async def _until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(GRACE):
        while not so():  # noqa: ASYNC110 - nobody tells when it has come about
            await asyncio.sleep(0)
