"""Every log line, relay's own and the libraries', in one form: JSON, or readable on a terminal; redacted last."""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog
from pydantic_core import PydanticSerializationError, to_json
from structlog.typing import EventDict, WrappedLogger

from relay.clock import SystemClock
from relay.domain.errors import RelayError
from relay.ids import unguessable
from relay.telemetry.gathered import Gathered, Telling
from relay.telemetry.redaction import Redactor, peer_of

OWN = "relay"
FOREIGN_EVENT = "library.logged"

_FRAMES = 12  # of a stack, the innermost
_CAUSES = 3
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


class _PeerKey:
    """The key of `peer`, one for the whole process; chance until it is configured, so that no hash can be guessed."""

    value = unguessable().encode()


def peer(number: str) -> str:
    """A phone number or address as it may stand in a log: a keyed hash, equal for equal numbers."""
    return peer_of(number, _PeerKey.value)


def configure(
    format: Literal["auto", "json", "text"],  # noqa: A002 - the setting is called so
    level: str,
    stream: TextIO,
    peer_key: bytes,
) -> None:
    """Send everything that is logged from now on to `stream`; may be called again.

    Args:
        format: `json`, one object a line; `text` for people; `auto` is text on a terminal.
        level: the least that is logged: `debug`, `info`, `warning`, `error`.
        stream: where the lines go.
        peer_key: up to 64 bytes that make `peer`'s hashes this installation's own.
    """
    _PeerKey.value = peer_key
    readable = format == "text" or (format == "auto" and stream.isatty())
    handler = _Handler(_gathered_for(stream), _text_of if readable else _json_of)
    _install(handler, logging.getLevelNamesMapping()[level.upper()])
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _Own(handler)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_returned,
        cache_logger_on_first_use=False,
    )


def _installed() -> "list[_Handler]":
    return [each for each in logging.getLogger().handlers if isinstance(each, _Handler)]


def _gathered_for(stream: TextIO) -> Gathered:
    """The lines for this stream, those of loggers included that were bound before: all of them keep their order."""
    known = (old.gathered for old in _installed() if old.stream is stream)
    return next(known, None) or Gathered(stream, Telling(stream, OWN))


def _install(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for old in _installed():
        old.flush()
        root.removeHandler(old)
    root.addHandler(handler)
    # Libraries' debug lines may hold what they carry; their info lines are wanted only by who debugs.
    root.setLevel(logging.INFO if level <= logging.DEBUG else max(level, logging.WARNING))


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines. What cannot be written is told without its content: logging itself would show it.

    Args:
        gathered: the lines for a stream.
        form: makes a line of what may be told.
    """

    def __init__(self, gathered: Gathered, form: Callable[[dict[str, Any]], str]) -> None:
        super().__init__(gathered.stream)
        self.gathered = gathered
        self._form = form
        self._redactor = Redactor(peer)

    def emit(self, record: logging.LogRecord) -> None:
        """Write what a library says."""
        with Telling(self.stream, record.name):
            self.tell(record.levelname.lower(), FOREIGN_EVENT, _foreign(record))

    def tell(self, level: str, event: Any, fields: Mapping[str, Any]) -> None:
        """Write a line; below a warning it may wait for the end of the event loop's turn."""
        explained = _explained(fields) if fields.keys() & _OF_ERRORS else fields
        at = _CLOCK.now().isoformat(timespec="milliseconds")[: -len("+00:00")]
        told = self._redactor.fields({"event": event, **explained})
        line = self._form({"timestamp": f"{at}Z", "level": level, **told}) + "\n"
        self.gathered.add(line, is_urgent=level not in _PATIENT)

    def flush(self) -> None:
        """Write now what is gathered; so does `logging.shutdown`, with which a process ends."""
        with Telling(self.stream, OWN):
            self.gathered.write()


class _Own:
    """The last step of every line of relay's own: it is written; nothing is left for structlog's logger to do."""

    def __init__(self, handler: _Handler) -> None:
        self._handler = handler
        self._telling = Telling(handler.stream, OWN)

    def __call__(self, _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        with self._telling:
            self._handler.tell(_LEVELS.get(method, method), event.pop("event", None), event)
        raise structlog.DropEvent


_CLOCK = SystemClock()
_PATIENT = frozenset({"debug", "info"})
_LEVELS = {"warn": "warning", "exception": "error"}
_OF_ERRORS = frozenset({"exc_info", "stack_info"})


def _returned(*_: Any) -> None:
    """Nobody is asked to write what was written."""


def _foreign(record: logging.LogRecord) -> dict[str, Any]:
    """What a library says, as fields."""
    said = record.getMessage()
    # Later lines of asyncio's messages are the repr of whatever was at hand.
    said = said.partition("\n")[0] if record.name == "asyncio" else said
    fields = {"said": said, "logger": record.name}
    return {**fields, "exc_info": record.exc_info} if record.exc_info else fields


def _explained(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with what is told of the error that is one of them, or at hand."""
    given = fields.get("exc_info")
    error = given[1] if isinstance(given, tuple) else given if isinstance(given, BaseException) else sys.exc_info()[1]
    plain = {name: value for name, value in fields.items() if name not in _OF_ERRORS}
    return {**plain, "exception": _told(error)} if given and error is not None else plain


def _told(error: BaseException, depth: int = 0) -> dict[str, Any]:
    kind = type(error)
    told: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")}
    # A foreign exception's text may hold a URL with a session in it, or whatever was being read.
    if isinstance(error, RelayError):
        told |= {"code": error.problem.code.value, "detail": error.problem.detail}
    told["at"] = _frames(error.__traceback__)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if isinstance(error, BaseExceptionGroup) and depth < _CAUSES:
        told["among"] = [_told(inner, depth + 1) for inner in error.exceptions[:_CAUSES]]
    if cause and depth < _CAUSES:
        told["cause"] = _told(cause, depth + 1)
    return told


def _frames(trace: TracebackType | None) -> list[str]:
    summary = traceback.StackSummary.extract(traceback.walk_tb(trace), lookup_lines=False, capture_locals=False)
    return [f"{'/'.join(frame.filename.split('/')[-3:])}:{frame.lineno}:{frame.name}" for frame in summary[-_FRAMES:]]


def _json_of(event: dict[str, Any]) -> str:
    try:
        line = to_json(event, ensure_ascii=True).decode("ascii")
    except PydanticSerializationError:  # half a surrogate pair
        return _in_full(event)
    return _in_full(event) if "\x7f" in line else line


_in_full = json.JSONEncoder(separators=(",", ":")).encode


def _text_of(event: dict[str, Any]) -> str:
    time, level, name = (str(event.pop(key, "")) for key in ("timestamp", "level", "event"))
    told = event.pop("exception", None)
    fields = " ".join(f"{key}={_plain(value)}" for key, value in event.items() if value is not None)
    line = f"{time[11:23]} {level:<8} {name:<24} {fields}".rstrip()
    return "\n".join(map(_one_line, [line, *(_exception_lines(told) if told else ())]))


def _one_line(text: str) -> str:
    return text.translate(_CONTROL).encode("ascii", "backslashreplace").decode()


def _plain(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if " " in text and isinstance(value, str) else text


def _exception_lines(told: Mapping[str, Any]) -> list[str]:
    head = " ".join(str(told[key]) for key in ("type", "code", "detail") if key in told)
    inner = [*told.get("among", ()), *([told["cause"]] if "cause" in told else [])]
    own = [f"    {head}", *(f"      at {frame}" for frame in told.get("at", ()))]
    return own + [line for error in inner for line in _exception_lines(error)]
