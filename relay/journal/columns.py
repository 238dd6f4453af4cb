"""Column types that keep the same values on every database.

Foreign text may hold what a database refuses (NUL on PostgreSQL, half a surrogate pair everywhere), so that it is
spelled out where it stands in a column of its own, and escaped where it stands in JSON.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime(1900, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
# `json.dumps` with arguments makes one at each call.
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
# And that one makes another, which is the one that works: it is quicker to have it at hand, where Python has it.
_MAKE = getattr(json.encoder, "c_make_encoder", None)
_ENCODE: Callable[[Any, int], Iterable[str]] | None = _MAKE and _MAKE(
    markers=None,
    default=_ENCODER.default,
    encoder=json.encoder.encode_basestring_ascii,
    indent=None,
    key_separator=":",
    item_separator=",",
    sort_keys=False,
    skipkeys=False,
    allow_nan=False,
)

# STRICT tables of SQLite know INTEGER only, which has 64 bits there.
Whole = BigInteger().with_variant(Integer(), "sqlite")


def as_json(value: Any) -> bytes:
    """`value` as JSON in ASCII, always the same bytes for the same value."""
    if _ENCODE is not None:
        try:
            return "".join(_ENCODE(value, 0)).encode("ascii")
        except RecursionError:
            # It does not look whether something holds itself; the other does.
            pass
    return _ENCODER.encode(value).encode("ascii")


def printable(text: str) -> str:
    """`text` with NUL and lone surrogates spelled out, as every database takes it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def plain(value: str | None) -> str | None:
    """The same, sooner where there is nothing to spell out, and for None."""
    return value if value is None or (value.isascii() and "\0" not in value) else printable(value)


def _many_words(values: list[Any]) -> list[Any]:
    """The same of each, looked through together: most are plain."""
    together = "".join(filter(None, values))
    return values if together.isascii() and "\0" not in together else list(map(plain, values))


class Words(TypeDecorator[str]):
    """Text of any origin, which sorts by its letters' numbers everywhere."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Text; a database may otherwise sort by a language."""
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        """What goes to the database."""
        return plain(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None]:  # noqa: ARG002 - as above
        """The same, without SQLAlchemy's detours: it is asked for dozens of values of every message."""
        return plain


class _Broken:
    """What stands where JSON was that cannot be read any more: it says no to whoever asks whether there is any."""

    def __bool__(self) -> bool:
        return False


BROKEN = _Broken()


class Json(TypeDecorator[Any]):
    """A JSON value, as bytes; None is NULL. What is damaged comes back as `BROKEN`, and raises nothing."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ARG002 - SQLAlchemy's
        """What goes to the database; bytes are JSON already."""
        return value if value is None or isinstance(value, bytes) else as_json(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's
        """What comes from it."""
        return _json_in(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[bytes | None], Any]:  # noqa: ARG002 - as above
        """The same, without SQLAlchemy's detours."""
        return _json_in


def _json_in(value: bytes | None) -> Any:
    if value is None:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return BROKEN


class Checked(TypeDecorator[bytes]):
    """Bytes with their checksum. What is damaged comes back as None: nobody takes it for what was kept.

    What was kept before there were checksums comes back as it is.
    """

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002 - SQLAlchemy's
        """What goes to the database."""
        return None if value is None else b"%b%08x:%b" % (_MARK, crc32(value), value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """What comes from it."""
        if value is None:
            return None
        mark, kept = value[: len(_MARK)], value[len(_MARK) + 9 :]
        if len(mark) < len(_MARK) or sum(one != other for one, other in zip(mark, _MARK, strict=True)) > _BENT:
            return value
        return kept if value == self.process_bind_param(kept, dialect) else None


_MARK = b"\0crc32:"
_BENT = 2  # so many bytes of the mark may be damaged, and it is known for one


def _moment(value: datetime | None) -> int | None:
    return None if value is None else (value - _EPOCH) // _MICROSECOND


def _many_moments(values: list[Any]) -> list[Any]:
    """The same of each: most are one, that of a transaction."""
    known = {id(value): value for value in values}
    kept = {number: _moment(value) for number, value in known.items()}
    return [kept[id(value)] for value in values]


class Moment(TypeDecorator[datetime]):
    """A time, aware, in UTC: whole microseconds since the epoch. What is damaged comes back as the nearest time.

    So it can be told, compared and added to, and raises nothing.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """The integer of this database."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - as above
        """What goes to the database."""
        return _moment(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:  # noqa: ARG002 - as above
        """The same, without SQLAlchemy's detours."""
        return _moment

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - as above
        """What comes from it."""
        return _moment_in(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[int | None], datetime | None]:  # noqa: ARG002 - as above
        """The same, without SQLAlchemy's detours."""
        return _moment_in


def _moment_in(value: int | None) -> datetime | None:
    if value is None:
        return None
    return _EPOCH + value * _MICROSECOND if _FIRST <= value <= _LAST else _nearest(value)


def _nearest(value: int) -> datetime:
    return _EPOCH + (_FIRST if value < _FIRST else _LAST) * _MICROSECOND


OF_MANY: Mapping[Callable[[Any], Any], Callable[[list[Any]], list[Any]]] = {
    plain: _many_words,
    _moment: _many_moments,
}
"""What goes to the database for a value -> the same for many values, sooner."""
