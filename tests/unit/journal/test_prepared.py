"""Statements that go straight to the driver give what SQLAlchemy gives: the same values, rows and errors."""

import gc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import DBAPIError, IntegrityError

from relay.journal import prepared
from relay.journal.columns import Checked, Json, Moment, Whole, Words
from relay.journal.prepared import execute
from tests import databases

TABLE = Table(
    "thing",
    MetaData(),
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", Words, unique=True),
    Column("at", Moment),
    Column("body", Json),
    Column("kept", Checked),
    Column("class", Whole),
    prefixes=["TEMPORARY"],
)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ADD = insert(TABLE)
FIND = select(TABLE).where(TABLE.c.id == bindparam("this"))
ALL = select(TABLE.c.id, TABLE.c.at.label("moment")).where(TABLE.c["class"] == 1).order_by(TABLE.c.position)
SET = update(TABLE).where(TABLE.c.id == bindparam("this")).values(at=bindparam("now", type_=Moment))
COUNT = select(func.count()).select_from(TABLE)
DROP = delete(TABLE).where(TABLE.c.id == bindparam("this", type_=Words)).returning(TABLE.c.body)
LISTED = select(TABLE.c.id).where(TABLE.c.id.in_(bindparam("some", expanding=True)))


def row(name: str) -> dict[str, Any]:
    """A row with a value of each type."""
    return {"id": name, "at": NOON, "body": {"a": [1, None]}, "kept": b"\x00\xff", "class": 1}


@pytest.fixture(params=["sqlite", "postgresql"])
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A connection in a transaction, to a database with the table."""
    if request.param == "sqlite":
        yield from _inside(create_engine("sqlite://"))
        return
    with databases.borrowed() as database:
        yield from _inside(create_engine(database.url.replace("postgresql://", "postgresql+psycopg://")))


def _inside(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        TABLE.create(connection)
        connection.commit()
        with connection.begin() as transaction:
            yield connection
            if transaction.is_active:
                transaction.rollback()
    engine.dispose()


def twice(connection: Connection, statement: Any, rows: Any = None) -> tuple[list[Any], list[Any]]:
    """What SQLAlchemy finds, and what is found past it."""
    execute(connection, statement, rows)
    return connection.execute(statement, rows).all(), execute(connection, statement, rows).all()


def test_rows_and_values_are_the_same(connection: Connection) -> None:
    """Each type there and back, by name, by place, and in `_mapping`."""
    for name in ("one", "two\0", "\ud800"):
        execute(connection, ADD, row(name))
    assert execute(connection, ADD, [row("four"), row("five")]).rowcount in {2, -1}
    theirs, ours = twice(connection, FIND, {"this": "two\0"})
    assert ours == theirs
    [found] = ours
    assert (found.id, found.at, found.body, found.kept, found[0]) == ("two\\x00", NOON, {"a": [1, None]}, b"\0\xff", 2)
    assert dict(found._mapping)["class"] == 1
    theirs, ours = twice(connection, ALL)
    assert ours == theirs
    assert [one.moment for one in ours] == [NOON] * 5
    assert execute(connection, COUNT).scalar() == 5


def test_changes_are_counted_and_told(connection: Connection) -> None:
    """`rowcount` of an update, and what a delete gives back."""
    for name in ("one", "two", "three"):
        execute(connection, ADD, row(name))
    later = NOON.replace(hour=13)
    for _ in range(2):
        assert execute(connection, SET, {"this": "one", "now": later}).rowcount == 1
    assert execute(connection, SET, {"this": "nobody", "now": None}).rowcount == 0
    execute(connection, SET, [{"this": "one", "now": None}, {"this": "two", "now": later}])
    assert [one.moment for one in execute(connection, ALL)] == [None, later, NOON]
    execute(connection, DROP, {"this": "one"})
    assert execute(connection, DROP, {"this": "two"}).scalar() == {"a": [1, None]}
    assert execute(connection, DROP, {"this": "two"}).first() is None


def test_an_error_is_told_as_sqlalchemy_tells_it(connection: Connection) -> None:
    """By its class, without what the row holds."""
    execute(connection, ADD, row("one"))
    execute(connection, ADD, row("two"))
    nested = connection.begin_nested()
    with pytest.raises(IntegrityError) as told:
        execute(connection, ADD, row("one"))
    nested.rollback()
    assert isinstance(told.value, DBAPIError)
    assert not told.value.connection_invalidated
    assert '"a"' not in str(told.value)


def test_a_list_of_any_length_goes_through_sqlalchemy(connection: Connection) -> None:
    """Its words are not the same at each run; so is what was written as text."""
    for name in ("one", "two"):
        execute(connection, ADD, row(name))
    for some in (["one"], ["one", "two"], []):
        assert len(execute(connection, LISTED, {"some": some}).all()) == len(some)
    words = text("SELECT count(*) FROM thing")
    assert [execute(connection, words).scalar() for _ in range(3)] == [2, 2, 2]


def test_a_constant_in_a_statement_is_kept(connection: Connection) -> None:
    """Also where its type writes it down in its own way."""
    statement = select(literal(NOON, Moment).label("at"), TABLE.c.id).where(TABLE.c.at == NOON)
    execute(connection, ADD, row("one"))
    theirs, ours = twice(connection, statement)
    assert ours == theirs
    assert ours[0].at == NOON


def test_a_connection_that_broke_is_told_as_cut() -> None:
    """So that the journal asks what became of its transaction, and uses another one."""
    with databases.borrowed() as database:
        engine = create_engine(database.url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection, engine.connect() as other:
            number = connection.execute(_ME).scalar()
            execute(connection, _ME)
            execute(connection, _ME)
            other.execute(text("SELECT pg_terminate_backend(:number)"), {"number": number})
            with pytest.raises(DBAPIError) as told:
                execute(connection, _ME)
            assert told.value.connection_invalidated
            assert connection.invalidated
        engine.dispose()


_ME = select(func.pg_backend_pid())


def test_who_listens_hears_of_every_statement() -> None:
    """As tests do that look at what is run."""
    engine = create_engine("sqlite://")
    heard: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *what: heard.append(what[2]))
    with engine.begin() as connection:
        TABLE.create(connection)
        heard.clear()
        for _ in range(3):
            execute(connection, COUNT)
    assert len(heard) == 3


def test_a_statement_that_was_made_for_one_run_is_not_kept() -> None:
    """Else they would fill the memory."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        TABLE.create(connection)
        gc.collect()
        before = len(prepared._KNOWN)
        for number in range(50):
            execute(connection, select(TABLE).where(TABLE.c["class"] == number))
        gc.collect()
        assert len(prepared._KNOWN) <= before + 1


def test_what_is_new_twice_is_added_once() -> None:
    """`ON CONFLICT`, with what came of it."""
    put = upsert(TABLE).on_conflict_do_nothing().returning(TABLE.c.id)
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        TABLE.create(connection)
        told = [execute(connection, put, row(name)).scalar() for name in ("one", "one", "two", "two")]
    assert told == ["one", None, "two", None]


def test_damaged_text_is_read_as_the_connection_reads_it() -> None:
    """Text that is no UTF-8 any more, which the driver by itself refuses; the next is read as ever."""
    engine = create_engine("sqlite://")
    event.listen(engine, "connect", lambda driver, _: setattr(driver, "text_factory", _careful))
    with engine.begin() as connection:
        TABLE.create(connection)
        for name in ("one", "two"):
            execute(connection, ADD, row(name))
        connection.execute(text("UPDATE thing SET id = CAST(x'ff41' AS TEXT) WHERE id = 'one'"))
        theirs, ours = twice(connection, ALL)
    assert [one.id for one in ours] == ["\\xffA", "two"]
    assert ours == theirs


def _careful(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def test_many_rows_are_written_as_each_by_itself(connection: Connection) -> None:
    """Whatever their values: none, such as the database refuses, and times of which some are one."""
    rows = [
        row("plain"),
        {**row("nul\0"), "at": None, "body": None},
        {**row("half \ud800"), "at": NOON.replace(hour=3)},
    ]
    for _ in range(2):
        execute(connection, ADD, rows)
        found = execute(connection, BY_PLACE).all()
        connection.execute(delete(TABLE))
    assert [one.id for one in found] == ["plain", "nul\\x00", "half \\ud800"]
    assert [one.at for one in found] == [NOON, None, NOON.replace(hour=3)]
    assert [one.body for one in found] == [{"a": [1, None]}, None, {"a": [1, None]}]


BY_PLACE = select(TABLE).order_by(TABLE.c.position)
