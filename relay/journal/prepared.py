"""Statement -> the driver, past what SQLAlchemy does at each call: compiled once for a database, with its parameters.

What SQLAlchemy does for one statement costs several times what SQLite does for it. A statement that runs again and
again is one object, so that from its second run on it is known how it runs. What cannot be known beforehand, such as a
list whose length varies, goes through SQLAlchemy as ever. Values, rows and errors are the same on both ways.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast
from weakref import WeakKeyDictionary

from sqlalchemy import BindParameter, Connection, CursorResult, Executable, Insert, Select, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Delete

from relay.journal.columns import OF_MANY
from relay.journal.found import Found, row_of

Row: TypeAlias = Mapping[str, Any]
Parameters: TypeAlias = list[Any] | Row | None
_Process: TypeAlias = Callable[[Any], Any]
_Key: TypeAlias = tuple[int, tuple[str, ...], bool]

_KINDS = (Select, Insert, Update, Delete)


def execute(connection: Connection, statement: Executable, rows: Parameters = None) -> CursorResult[Any]:
    """Run a statement: once, with these parameters, or for each of `rows`.

    Args:
        connection: is in a transaction; else SQLAlchemy begins one.
        statement: a constant with parameters; one that was made anew is run by SQLAlchemy.
        rows: its parameters.

    Returns:
        All that it found, read already, or `rowcount`: what the journal asks of a CursorResult.

    Raises:
        DBAPIError: as SQLAlchemy does.
    """
    # Whoever listens to SQLAlchemy's events is to hear of every statement.
    is_plain = connection.in_transaction() and not connection.dispatch.before_cursor_execute
    recipe = _recipe(connection.dialect, statement, rows) if is_plain else None
    if recipe is None:
        return connection.execute(statement, rows)
    return cast("CursorResult[Any]", recipe.run(connection, rows))


class Changed(NamedTuple):
    """What is known of a statement that finds no rows."""

    rowcount: int


class _Value(NamedTuple):
    """A parameter: under which key the caller has it, and how it goes to the driver; or a constant."""

    name: str
    key: str
    is_constant: bool
    constant: Any
    process: _Process | None


class _Binding:
    """A caller's row -> the driver's parameters.

    Args:
        values: the parameters, in their order.
        given: what every row has.
    """

    def __init__(self, values: Sequence[_Value], given: Sequence[str]) -> None:
        self._names = [one.name for one in values]
        keys = [None if one.is_constant and one.key not in given else one.key for one in values]
        self._constants = [(place, values[place].constant) for place, key in enumerate(keys) if key is None]
        self._keys = [key for key in keys if key is not None]
        self._processes = [
            (place, one.process) for place, one in enumerate(values) if keys[place] is not None and one.process
        ]

    def __call__(self, row: Row) -> list[Any]:
        """In their order."""
        values = [row[key] for key in self._keys]
        for place, constant in self._constants:
            values.insert(place, constant)
        for place, process in self._processes:
            values[place] = process(values[place])
        return values

    def named(self, row: Row) -> Row:
        """By their names."""
        return dict(zip(self._names, self(row), strict=True))

    def of_many(self, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
        """In their order, for each of these rows: by column, which is soonest."""
        columns = [[row[key] for row in rows] for key in self._keys]
        for place, constant in self._constants:
            columns.insert(place, [constant] * len(rows))
        for place, process in self._processes:
            many = OF_MANY.get(process)
            columns[place] = many(columns[place]) if many else list(map(process, columns[place]))
        return list(zip(*columns, strict=True))

    def named_of_many(self, rows: Sequence[Row]) -> list[Row]:
        """By their names, for each of these rows."""
        return [dict(zip(self._names, values, strict=True)) for values in self.of_many(rows)]


class Recipe:
    """How a statement is run on a kind of database.

    Args:
        compiled: for that database.
        columns: what it finds.
        given: the names of what every row of parameters has.
    """

    def __init__(self, compiled: SQLCompiler, columns: Sequence[Any], given: Sequence[str]) -> None:
        dialect = self._dialect = compiled.dialect
        self._words = str(compiled)
        names = compiled.positiontup if compiled.positional else list(compiled.bind_names.values())
        values = {name: _value(bind, name, dialect) for bind, name in compiled.bind_names.items()}
        binding = _Binding([values[name] for name in names or ()], given)
        self._parameters = binding if compiled.positional else binding.named
        self._parameters_of_many = binding.of_many if compiled.positional else binding.named_of_many
        self._row = row_of([str(one.key) for one in columns]) if columns else None
        # What only reads may be run once more.
        self._reads_quickly = dialect.name == "sqlite" and isinstance(compiled.statement, Select)
        processes = [one.type.dialect_impl(dialect).result_processor(dialect, None) for one in columns]
        self._processes = [(place, process) for place, process in enumerate(processes) if process is not None]

    def run(self, connection: Connection, rows: Parameters) -> Found | Changed:
        """Run it."""
        driver = cast("Any", connection.connection.driver_connection)
        cursor = driver.cursor()
        try:
            if isinstance(rows, list) and len(rows) > 1:
                cursor.executemany(self._words, self._parameters_of_many(rows))
            else:
                cursor.execute(self._words, self._parameters(_first(rows)[0]))
            if self._row is None:
                return Changed(cursor.rowcount)
            found = self._read_quickly(driver, cursor, rows) if self._reads_quickly else cursor.fetchall()
            return Found(list(map(self._row, self._processed(found))))
        except self._dialect.loaded_dbapi.Error as error:
            raise self._told(connection, cursor, error) from error
        finally:
            cursor.close()

    def _read_quickly(self, driver: Any, cursor: Any, rows: Parameters) -> list[Sequence[Any]]:
        """All rows. Text that is damaged, which the driver refuses, is read as the journal reads it: see `sqlite`."""
        careful, driver.text_factory = driver.text_factory, str
        try:
            return cast("list[Sequence[Any]]", cursor.fetchall())
        except driver.OperationalError:
            pass
        finally:
            driver.text_factory = careful
        cursor.execute(self._words, self._parameters(_first(rows)[0]))
        return cast("list[Sequence[Any]]", cursor.fetchall())

    def _processed(self, rows: list[Sequence[Any]]) -> list[Sequence[Any]]:
        """By column, which is soonest."""
        if not rows or not self._processes:
            return rows
        columns = list(zip(*rows, strict=True))
        for place, process in self._processes:
            columns[place] = tuple(map(process, columns[place]))
        return list(zip(*columns, strict=True))

    def _told(self, connection: Connection, cursor: DBAPICursor, error: Exception) -> BaseException:
        """The error as SQLAlchemy tells it, and a connection that is gone is not used again."""
        dialect = self._dialect
        cut = dialect.is_disconnect(cast("Any", error), connection.connection.dbapi_connection, cursor)
        if cut:
            connection.invalidate(error)
        told: BaseException = DBAPIError.instance(
            self._words,
            None,
            error,
            cast("Any", dialect.loaded_dbapi.Error),
            hide_parameters=True,
            connection_invalidated=cut,
            dialect=dialect,
        )
        return told


def _recipe(dialect: Dialect, statement: Executable, rows: Parameters) -> Recipe | None:
    """How to run it; None where it runs for the first time, or where SQLAlchemy has to."""
    known = _KNOWN.get(statement)
    if known is None:
        # Most of those that were made for one run are never seen again: nothing is done for them.
        _KNOWN[statement] = {}
        return None
    first, several = _first(rows)
    key = (id(dialect), tuple(first), several)
    if key not in known:
        known[key] = _made(dialect, statement, list(first), several=several)
    return known[key]


def _first(rows: Parameters) -> tuple[Row, bool]:
    """The first row, and whether there are others."""
    if isinstance(rows, list):
        return (rows[0] if rows else {}), len(rows) > 1
    return rows or {}, False


def _made(dialect: Dialect, statement: Executable, names: list[str], *, several: bool) -> Recipe | None:
    if not isinstance(statement, _KINDS):
        return None
    columns = list(statement.exported_columns)
    if several and columns:
        return None
    # As for several rows: nobody asks for the numbers that the database gives to them.
    is_insert = isinstance(statement, Insert) and not columns
    compiled = statement.compile(dialect=dialect, column_keys=names or None, for_executemany=is_insert)
    return Recipe(compiled, columns, names) if _is_fixed(compiled) else None


def _is_fixed(compiled: SQLCompiler) -> bool:
    """Whether it is the same at each run: no list whose length varies, no value that is made for each run."""
    varies = compiled.post_compile_params or compiled.literal_execute_params or compiled.prefetch
    return not varies and not any(bind.callable for bind in compiled.bind_names)


def _value(bind: BindParameter[Any], name: str, dialect: Dialect) -> _Value:
    process = bind.type.dialect_impl(dialect).bind_processor(dialect)
    constant = None
    if not bind.required:
        constant = bind.value if process is None else process(bind.value)
    return _Value(name, bind.key, not bind.required, constant, process)


# By the object itself: a constant stays, what was made for one run goes with it.
_KNOWN: "WeakKeyDictionary[Executable, dict[_Key, Recipe | None]]" = WeakKeyDictionary()
