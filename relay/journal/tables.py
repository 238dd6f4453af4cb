"""How the journal's tables are declared: strict, with every column needed unless it says otherwise."""

from typing import Any

from sqlalchemy import Column, ColumnElement, Index, MetaData, Table, literal_column

metadata = MetaData()


def table(name: str, *columns: Column[Any], **options: Any) -> Table:
    """A table of the journal."""
    return Table(name, metadata, *columns, sqlite_strict=True, **options)


def need(name: str, kind: Any, **options: Any) -> Column[Any]:
    """A column that is never NULL."""
    return Column(name, kind, nullable=False, **options)


def part(name: str, *columns: Column[Any], where: ColumnElement[bool]) -> Index:
    """An index of the rows for which a constant condition holds.

    The migrations give PostgreSQL the same. Here it would load all that is PostgreSQL's, megabytes, for a file.
    """
    return Index(name, *columns, sqlite_where=where)


def equals(column: Column[Any], constant: str) -> ColumnElement[bool]:
    """A condition without any parameter; `constant` is SQL."""
    return column == literal_column(constant)
