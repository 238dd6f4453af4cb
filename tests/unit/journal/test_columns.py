"""Column types: what goes in comes out, whatever it is, and is found again."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, create_engine, insert, select
from sqlalchemy.exc import StatementError

from relay.journal.columns import Json, Moment, Whole, Words, as_json, printable
from relay.journal.listing import one_of

ENGINE = create_engine("sqlite://")
TABLE = Table(
    "t", MetaData(), Column("words", Words), Column("json", Json), Column("moment", Moment), sqlite_strict=True
)
ANY_TEXT = st.text(st.characters())  # lone surrogates included
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=10,
)


TABLE.create(ENGINE)


def _through(**values: Any) -> Any:
    with ENGINE.connect() as connection:
        connection.execute(insert(TABLE).values(**values))
        return connection.execute(select(TABLE)).one()


@given(ANY_TEXT)
def test_any_text_can_be_kept_and_found(words: str) -> None:
    """Ordinary text as it is; what a database refuses is spelled out."""
    assert _through(words=words).words == printable(words)
    with ENGINE.connect() as connection:
        connection.execute(insert(TABLE).values(words=words))
        assert connection.execute(select(TABLE).where(TABLE.c.words == words)).one()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_ordinary_text_is_not_changed(words: str) -> None:
    """In any script."""
    assert printable(words) == words


@given(ANY_JSON)
def test_any_json_comes_out_as_it_went_in(value: Any) -> None:
    """As bytes that are plain ASCII."""
    assert _through(json=value).json == value
    assert as_json(value).isascii()


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - Hypothesis adds the zone
def test_a_time_keeps_its_microseconds(moment: datetime) -> None:
    """And comes back in UTC."""
    kept = _through(moment=moment).moment
    assert (kept, kept.tzinfo) == (moment, UTC)


def test_a_time_of_another_zone_is_the_same_time() -> None:
    """Only its zone is not kept."""
    moment = datetime(2026, 11, 21, 1, 0, tzinfo=timezone(timedelta(hours=-8)))
    assert _through(moment=moment).moment == moment


def test_a_time_without_a_zone_is_refused() -> None:
    """Nobody knows when it is."""
    with pytest.raises(StatementError):
        _through(moment=datetime(2026, 11, 21))  # noqa: DTZ001 - that is the point


def test_whole_numbers_have_64_bits() -> None:
    """AT&T's ids exceed 2^53, and microseconds come near."""
    numbers = Table("n", MetaData(), Column("n", Whole), sqlite_strict=True)
    with ENGINE.connect() as connection:
        numbers.create(connection)
        connection.execute(insert(numbers).values(n=2**63 - 1))
        assert connection.execute(select(numbers.c.n)).scalar() == 2**63 - 1


@given(st.lists(ANY_TEXT, max_size=5), st.lists(ANY_TEXT, max_size=5))
def test_one_of_many_is_one_parameter(there: list[str], asked: list[str]) -> None:
    """And finds exactly those."""
    with ENGINE.connect() as connection:
        for words in there:
            connection.execute(insert(TABLE).values(words=words))
        found = connection.execute(select(TABLE.c.words).where(one_of(TABLE.c.words, asked))).scalars().all()
    assert sorted(found) == sorted(
        printable(words) for words in there if printable(words) in set(map(printable, asked))
    )


@given(ANY_JSON)
def test_json_that_is_bytes_already_is_kept_as_it_is(value: Any) -> None:
    """So that what was made for a checksum is not made again."""
    assert _through(json=as_json(value)).json == value


@given(ANY_JSON)
def test_json_is_written_as_it_always_was(value: Any) -> None:
    """Checksums of old rows are of these bytes."""
    assert as_json(value) == json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def test_what_is_no_json_is_no_json() -> None:
    """Nor does it harm what comes after it."""
    circle: list[Any] = []
    circle.append(circle)
    for wrong in (float("nan"), circle):
        with pytest.raises(ValueError, match=r"."):
            as_json(wrong)
    assert as_json(circle[:0]) == b"[]"
