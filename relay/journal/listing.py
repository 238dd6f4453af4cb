"""Many values as one parameter, however many they are: SQLite and PostgreSQL each unpack a list of JSON."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, BindParameter, ColumnElement, TableValuedAlias, cast, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from relay.journal.columns import as_json, printable


class _Unpacked(GenericFunction[Any]):
    """The elements of a list of JSON."""

    name = "json_each"
    inherit_cache = True


@compiles(_Unpacked, "postgresql")
def _on_postgresql(unpacked: _Unpacked, compiler: SQLCompiler, **options: Any) -> str:
    return f"jsonb_array_elements_text(CAST({compiler.process(unpacked.clauses, **options)} AS JSONB))"


def unpacked(parameter: BindParameter[str] | str) -> TableValuedAlias:
    """What a list of JSON holds, as rows with the column `value`."""
    return _Unpacked(parameter).table_valued("value")


def listed(values: Iterable[str | int]) -> str:
    """These values as the parameter that `unpacked` takes."""
    known = list(values)
    words = "".join(map(str, known))
    if not words.isascii() or "\0" in words:
        known = [printable(value) if isinstance(value, str) else value for value in known]
    return as_json(known).decode("ascii")


def one_of(column: ColumnElement[Any], values: Iterable[str | int]) -> ColumnElement[bool]:
    """Whether `column` is one of `values`, which travel as one parameter, however many they are."""
    known = list(values)
    if len(known) == 1:
        return column == (printable(known[0]) if isinstance(known[0], str) else known[0])
    value = unpacked(listed(known)).c.value
    return column.in_(select(cast(value, BigInteger) if known and isinstance(known[0], int) else value))
