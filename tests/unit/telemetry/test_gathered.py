"""The lines of one turn of the event loop go with one write, in their order, and none is lost."""

import asyncio
import io
import logging
import threading
import weakref
from collections.abc import Iterator

import pytest
import structlog

from relay.telemetry.gathered import Gathered, Telling
from relay.telemetry.logging import configure

log = structlog.get_logger()


class Writes(io.StringIO):
    """A stream that counts what is written at once."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        """One write."""
        self.writes.append(text)
        return super().write(text)


class Full(io.StringIO):
    """A stream that takes nothing."""

    def write(self, _text: str) -> int:
        """It does not."""
        raise OSError("MARKED")


@pytest.fixture
def writes() -> Writes:
    """Where the lines go."""
    return Writes()


@pytest.fixture
def gathered(writes: Writes) -> Gathered:
    """The lines."""
    return Gathered(writes, Telling(writes, "relay"))


@pytest.fixture
def as_it_was() -> Iterator[None]:
    """Put logging back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_the_lines_of_a_turn_are_one_write_at_its_end(gathered: Gathered, writes: Writes) -> None:
    """In the order in which they came, and not before."""
    for line in ("a\n", "b\n", "c\n"):
        gathered.add(line, is_urgent=False)
    assert writes.writes == []
    await asyncio.sleep(0)
    assert writes.writes == ["a\nb\nc\n"]


async def test_each_turn_has_its_own_write(gathered: Gathered, writes: Writes) -> None:
    """A line waits for nobody that comes later."""
    for line in ("a\n", "b\n"):
        gathered.add(line, is_urgent=False)
        await asyncio.sleep(0)
    assert writes.writes == ["a\n", "b\n"]


async def test_what_is_urgent_is_written_at_once_behind_what_came_before(gathered: Gathered, writes: Writes) -> None:
    """And the end of the turn has nothing left to write."""
    gathered.add("a\n", is_urgent=False)
    gathered.add("b\n", is_urgent=True)
    assert writes.writes == ["a\nb\n"]
    await asyncio.sleep(0)
    assert writes.writes == ["a\nb\n"]


def test_without_an_event_loop_every_line_is_written_at_once(gathered: Gathered, writes: Writes) -> None:
    """There is no turn that would end."""
    gathered.add("a\n", is_urgent=False)
    assert writes.writes == ["a\n"]


async def test_another_threads_line_takes_those_before_it_along(gathered: Gathered, writes: Writes) -> None:
    """The order holds over threads."""
    gathered.add("a\n", is_urgent=False)
    other = threading.Thread(target=lambda: gathered.add("b\n", is_urgent=False))
    other.start()
    other.join()
    assert writes.writes == ["a\nb\n"]


def test_a_line_of_a_loop_that_ended_first_comes_with_the_next_one(gathered: Gathered, writes: Writes) -> None:
    """Another loop ends the turn that the first one did not."""
    loop = asyncio.new_event_loop()
    loop.call_soon(loop.stop)
    loop.call_soon(lambda: gathered.add("a\n", is_urgent=False))
    loop.run_forever()
    loop.close()
    assert writes.writes == []

    async def later() -> None:
        gathered.add("b\n", is_urgent=False)
        await asyncio.sleep(0)

    asyncio.run(later())
    assert writes.getvalue() == "a\nb\n"


async def test_what_cannot_be_written_at_the_end_of_a_turn_harms_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said once, without its content, and is not kept."""
    full = Full()
    gathered = Gathered(full, Telling(full, "relay"))
    gathered.add("a MARKED line\n", is_urgent=False)
    await asyncio.sleep(0)
    gathered.write()
    assert capsys.readouterr().err == "relay: a log line of relay could not be written: OSError\n"


@pytest.mark.usefixtures("as_it_was")
async def test_only_what_is_below_a_warning_waits(writes: Writes) -> None:
    """A warning is on its way when its call returns."""
    configure("json", "info", writes, b"key")
    log.info("copy.submitted")
    assert writes.writes == []
    log.warning("stage.failed")
    assert [line.count("\n") for line in writes.writes] == [2]


@pytest.mark.usefixtures("as_it_was")
async def test_the_end_of_the_process_writes_what_waits(writes: Writes) -> None:
    """`logging.shutdown` flushes each handler."""
    configure("json", "info", writes, b"key")
    log.info("copy.submitted")
    logging.shutdown(
        [weakref.ref(handler) for handler in logging.getLogger().handlers if getattr(handler, "stream", None) is writes]
    )
    assert "copy.submitted" in writes.getvalue()


@pytest.mark.usefixtures("as_it_was")
async def test_loggers_from_before_and_after_a_change_keep_their_order(writes: Writes) -> None:
    """Logging is configured once more when the journal is open; what was bound before goes on logging."""
    configure("json", "info", writes, b"key")
    before = log.bind()
    before.info("one")
    configure("json", "info", writes, b"another key")
    log.info("two")
    before.info("three")
    await asyncio.sleep(0)
    assert [line.split('"event":"')[1].split('"')[0] for line in writes.getvalue().splitlines()] == [
        "one",
        "two",
        "three",
    ]
