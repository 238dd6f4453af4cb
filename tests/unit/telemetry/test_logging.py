"""The form of log lines: whoever wrote them, and whatever was in them."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog

from relay.domain.errors import ErrorCode, Problem, TryLater
from relay.telemetry.logging import configure, peer

log = structlog.get_logger()
Lines = Callable[[], list[dict[str, Any]]]
NUMBER = "+12065550123"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Put logging back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def started(format_: Literal["auto", "json", "text"] = "json", level: str = "info") -> io.StringIO:
    """A stream that everything is logged to."""
    stream = io.StringIO()
    logging.getLogger().handlers.clear()  # pytest's own would raise what they cannot write
    configure(format_, level, stream, b"key")
    return stream


def objects(stream: io.StringIO) -> list[dict[str, Any]]:
    """The lines as JSON."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """An error that has been raised, with its stack."""
    secret_local = "MARKED-LOCAL"
    try:
        raise error from cause  # noqa: TRY301 - a raised error is what is wanted
    except BaseException as caught:  # noqa: BLE001 - any error is to be looked at
        assert secret_local
        return caught


def test_a_line_is_one_json_object_with_time_level_and_event_first() -> None:
    """As programs read it."""
    stream = started()
    log.info("copy.submitted", line="alerts", message_id="SMS1234567890123456")
    [line] = objects(stream)
    assert list(line) == ["timestamp", "level", "event", "line", "message_id"]
    assert (line["level"], line["event"], line["line"]) == ("info", "copy.submitted", "alerts")
    assert line["timestamp"].endswith("Z")
    assert len(line["timestamp"]) == len("2026-11-21T09:00:00.000Z")


def test_what_was_bound_to_the_context_is_in_every_line() -> None:
    """A trace id follows its request."""
    stream = started()
    with structlog.contextvars.bound_contextvars(trace_id="abc"):
        log.info("copy.submitted")
    assert objects(stream)[0]["trace_id"] == "abc"


def test_a_librarys_line_has_the_same_form() -> None:
    """One stable event name; what it said is a field."""
    stream = started()
    logging.getLogger("aiohttp.server").warning("no %s here", "luck")
    [line] = objects(stream)
    assert list(line) == ["timestamp", "level", "event", "said", "logger"]
    assert (line["event"], line["level"], line["logger"]) == ("library.logged", "warning", "aiohttp.server")
    assert line["said"] == "no luck here"


@pytest.mark.parametrize(
    ("level", "own", "foreign"),
    [
        ("debug", {"debug", "info", "warning", "error"}, {"info", "warning", "error"}),
        ("info", {"info", "warning", "error"}, {"warning", "error"}),
        ("warning", {"warning", "error"}, {"warning", "error"}),
        ("error", {"error"}, {"error"}),
    ],
)
def test_libraries_are_one_step_less_talkative(level: str, own: set[str], foreign: set[str]) -> None:
    """Their debug lines hold what they carry."""
    stream = started(level=level)
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("copy.submitted")
        getattr(logging.getLogger("aiohttp"), name)("x")
    lines = objects(stream)
    assert {line["level"] for line in lines if line["event"] == "copy.submitted"} == own
    assert {line["level"] for line in lines if line["event"] == "library.logged"} == foreign


def test_marked_secrets_get_into_no_line() -> None:
    """Through a field, a library's words, an exception's text, a local variable, an asyncio report."""
    stream = started()
    log.info("copy.submitted", text="MARKED", password="MARKED", note=f"Bearer MARKED to {NUMBER}", odd=object())
    log.error("stage.failed", exc_info=raised(ValueError("https://x/y?session=MARKED " + NUMBER)))
    foreign = logging.getLogger("aiohttp.server")
    foreign.error("GET /hooks/office/MARKED/receive?session=MARKED", exc_info=raised(OSError("MARKED")))
    foreign.error("%s", {"session": "MARKED:1", "to": NUMBER})
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task exception=E('MARKED')>")
    assert len(objects(stream)) == 5
    assert "MARKED" not in stream.getvalue()
    assert "5550123" not in stream.getvalue()


def test_an_exception_is_its_type_and_where_it_was_raised() -> None:
    """Without its text, which may hold anything, and without local variables."""
    stream = started()
    log.error("stage.failed", exc_info=raised(ValueError("MARKED"), cause=raised(KeyError("MARKED"))))
    exception = objects(stream)[0]["exception"]
    assert exception["type"] == "ValueError"
    assert exception["at"][-1].startswith("unit/telemetry/test_logging.py:")
    assert exception["at"][-1].endswith(":raised")
    assert exception["cause"]["type"] == "KeyError"


def test_our_own_errors_text_is_told() -> None:
    """It is made to be read, and holds nothing private."""
    stream = started()
    log.error("stage.failed", exc_info=raised(TryLater(Problem(ErrorCode.THROTTLED, "slow down"))))
    exception = objects(stream)[0]["exception"]
    assert (exception["code"], exception["detail"]) == ("throttled", "slow down")


def test_the_exception_at_hand_is_told_by_log_exception() -> None:
    """As with logging's own."""
    stream = started()
    try:
        int("no number")
    except ValueError:
        log.exception("stage.failed")
        logging.getLogger("aiohttp").exception("x")
    assert [line["exception"]["type"] for line in objects(stream)] == ["ValueError", "ValueError"]


def test_a_group_of_exceptions_tells_its_first() -> None:
    """Task groups raise groups."""
    stream = started()
    log.error("stage.failed", exc_info=raised(ExceptionGroup("MARKED", [ValueError("MARKED")] * 9)))
    exception = objects(stream)[0]["exception"]
    assert [inner["type"] for inner in exception["among"]] == ["ValueError"] * 3
    assert "MARKED" not in stream.getvalue()


@pytest.mark.parametrize("said", ['\n{"level":"critical"}', "\x1b[31mred", "a\u2028b", "a\x85b", "\ud800", "a\rb"])
@pytest.mark.parametrize("format_", ["json", "text"])
def test_nobody_can_write_a_second_line(said: str, format_: Literal["json", "text"]) -> None:
    """Line ends, terminal controls and lone surrogates are escaped, a library's words included."""
    stream = started(format_)
    log.info("copy.submitted", note=said)
    logging.getLogger("aiohttp").warning(said)
    written = stream.getvalue()
    assert len(written.splitlines()) == 2
    assert written.isascii()
    assert "\x1b" not in written


def test_a_terminal_gets_the_readable_form() -> None:
    """`auto` is for both people and programs."""
    terminal, pipe = Terminal(), io.StringIO()
    configure("auto", "info", terminal, b"key")
    log.info("copy.submitted", line="alerts", note="two words", nothing=None)
    configure("auto", "info", pipe, b"key")
    log.info("copy.submitted", line="alerts")
    assert terminal.getvalue().split()[1:] == ["info", "copy.submitted", "line=alerts", 'note="two', 'words"']
    assert json.loads(pipe.getvalue())["line"] == "alerts"


def test_the_readable_form_has_the_stack_below_the_line() -> None:
    """Type, then one frame a line."""
    stream = started("text")
    log.error("stage.failed", exc_info=raised(TryLater(Problem(ErrorCode.THROTTLED, "slow down")), cause=OSError()))
    first, second, third, *rest = stream.getvalue().splitlines()
    assert "stage.failed" in first
    assert second.strip() == "relay.domain.errors.TryLater throttled slow down"
    assert third.strip().startswith("at unit/telemetry/test_logging.py:")
    assert rest[-1].strip() == "OSError"


def test_numbers_are_told_as_a_peer_that_the_key_decides() -> None:
    """The same in a field of that name and in a text."""
    stream = started()
    log.info("message.received", peer=peer(NUMBER), note=f"from {NUMBER}")
    [line] = objects(stream)
    assert line["note"] == f"from [peer {line['peer']}]"
    before = peer(NUMBER)
    configure("json", "info", io.StringIO(), b"another key")
    assert peer(NUMBER) != before


def test_logging_twice_configured_writes_once() -> None:
    """The first stream is left."""
    first, second = started(), started()
    log.info("copy.submitted")
    assert first.getvalue() == ""
    assert len(objects(second)) == 1


def test_a_line_that_cannot_be_written_is_told_without_what_was_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The report that logging itself makes would show the message and its arguments."""
    stream = started()
    logging.getLogger("aiohttp").warning("%d", "MARKED")
    assert stream.getvalue() == ""
    assert capsys.readouterr().err == "relay: a log line of aiohttp could not be written: TypeError\n"


class Full(io.StringIO):
    """A stream that takes nothing."""

    def write(self, _said: str) -> int:
        """It fails."""
        raise OSError(28, "MARKED")


def test_a_line_of_relays_own_that_cannot_be_written_harms_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever wrote it goes on; what was in it, and what the stream said, is not shown."""
    logging.getLogger().handlers.clear()
    configure("json", "info", Full(), b"key")
    log.info("copy.submitted", note="MARKED")
    assert capsys.readouterr().err == "relay: a log line of relay could not be written: OSError\n"


class Pipe(io.StringIO):
    """A stream that holds back what was not flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = ""

    def flush(self) -> None:
        """All of it is out."""
        self.gone = self.getvalue()


def test_a_line_is_out_before_the_next_step_is_taken() -> None:
    """Whatever kills the process afterwards."""
    logging.getLogger().handlers.clear()
    pipe = Pipe()
    configure("json", "info", pipe, b"key")
    log.info("copy.submitted", note="\x7f")
    assert json.loads(pipe.gone)["note"] == "\x7f"
    assert "\x7f" not in pipe.gone
