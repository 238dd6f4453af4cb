"""Many rows of a table -> one UPDATE, in which each gets values of its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, column, func, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

from relay.journal.transaction import Transaction

Values = Mapping[str, ColumnElement[Any]]
_ID = "this"


class EachRow:
    """An UPDATE of rows by their ids, no id twice.

    SQLite runs it for each row, which costs next to nothing there. To PostgreSQL each would be a message of its own:
    there all rows travel together, as a list for each value.

    Args:
        table: whose rows.
        types: of the values that a row brings, by their names.
        changes: gives what each column is set to, of those values.
    """

    def __init__(
        self, table: Table, types: Mapping[str, TypeEngine[Any]], changes: Callable[[Values], Mapping[str, Any]]
    ) -> None:
        brought = {_ID: table.c.id.type, **types}
        single: Values = {name: bindparam(name, type_=kind) for name, kind in types.items()}
        self._single = update(table).where(table.c.id == bindparam(_ID)).values(changes(single))
        lists = [bindparam(_listed(name), type_=ARRAY(kind, dimensions=1)) for name, kind in brought.items()]
        columns = [column(name, kind) for name, kind in brought.items()]
        rows = func.unnest(*lists).table_valued(*columns, name="brought").render_derived()
        found: Values = {name: rows.c[name] for name in types}
        self._together = update(table).where(table.c.id == rows.c[_ID]).values(changes(found))

    def write(self, tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
        """Change these: each has its values by their names, and its id as `this`."""
        if len(rows) > 1 and tx.connection.dialect.name == "postgresql":
            tx.execute(self._together, {_listed(name): [row[name] for row in rows] for name in rows[0]})
        elif rows:
            tx.execute(self._single, list(rows))


def columns_of(table: Table, *names: str) -> dict[str, TypeEngine[Any]]:
    """The types of these columns."""
    return {name: table.c[name].type for name in names}


def _listed(name: str) -> str:
    return f"all_{name}"
