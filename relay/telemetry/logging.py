"""Every log line, relay's own and the libraries', in one form: JSON, or readable on a terminal; redacted last."""

import logging
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from relay.clock import SystemClock
from relay.domain.errors import RelayError
from relay.ids import unguessable
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
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[_strip_meta, _explain_exception, _redact, _render_text if readable else _render_json],
            foreign_pre_chain=[structlog.stdlib.add_log_level, _name_foreign, _stamp],
        )
    )
    _install(handler, logging.getLevelNamesMapping()[level.upper()])
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *_OWN_CHAIN],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: logging.getLogger(OWN),
        cache_logger_on_first_use=False,
    )


def _install(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    logging.getLogger(OWN).setLevel(level)
    # Libraries' debug lines may hold what they carry; their info lines are wanted only by who debugs.
    root.setLevel(logging.INFO if level <= logging.DEBUG else max(level, logging.WARNING))


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines. What cannot be written is told without its content: logging's own report would show all of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging calls it so
        """Say that a line was lost."""
        kind = getattr(sys.exc_info()[0], "__name__", "error")
        if sys.stderr and sys.stderr is not self.stream:
            sys.stderr.write(f"relay: a log line of {record.name} could not be written: {kind}\n")


def _stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = SystemClock().now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _name_foreign(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    said = str(event["event"])
    # Later lines of asyncio's messages are the repr of whatever was at hand.
    event["said"] = said.partition("\n")[0] if record.name == "asyncio" else said
    event["event"] = FOREIGN_EVENT
    event["logger"] = record.name
    return event


def _strip_meta(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in ("_record", "_from_structlog", "stack_info"):
        event.pop(name, None)
    return event


def _explain_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else given if isinstance(given, BaseException) else sys.exc_info()[1]
    if given and error is not None:
        event["exception"] = _told(error)
    return event


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


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return Redactor(peer).fields(event)


_ORDER = ("timestamp", "level", "event")
_render_json_fields: Processor = structlog.processors.JSONRenderer(ensure_ascii=True)


def _render_json(logger: WrappedLogger, method: str, event: EventDict) -> Any:
    first = {name: event.pop(name) for name in _ORDER if name in event}
    return _render_json_fields(logger, method, {**first, **event})


def _render_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    time, level, name = (str(event.pop(key, "")) for key in _ORDER)
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


_OWN_CHAIN: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    _stamp,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
)
