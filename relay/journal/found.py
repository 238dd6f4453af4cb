"""What a statement found -> rows with names: read already, as light as tuples, and asked like SQLAlchemy's own.

A value of one of SQLAlchemy's rows costs ten times as much, and of every message dozens are asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from sqlalchemy.exc import MultipleResultsFound, NoResultFound


class Found:
    """Rows, or the first value of each.

    Args:
        rows: all of them.
    """

    __slots__ = ("_rows",)

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> list[Any]:
        """All of them."""
        return self._rows

    def first(self) -> Any:
        """The first; None where there is none."""
        return self._rows[0] if self._rows else None

    def one_or_none(self) -> Any:
        """The only one; None where there is none. Raises MultipleResultsFound."""
        if len(self._rows) > 1:
            raise MultipleResultsFound("there is more than one row, where one was expected")
        return self.first()

    def one(self) -> Any:
        """The only one. Raises NoResultFound and MultipleResultsFound."""
        if not self._rows:
            raise NoResultFound("there is no row, where one was expected")
        return self.one_or_none()

    def scalar(self) -> Any:
        """The first value of the first; None where there is none."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self) -> Any:
        """The first value of the only one. Raises NoResultFound and MultipleResultsFound."""
        return self.one()[0]

    def scalars(self) -> "Found":
        """The first value of each."""
        return Found([row[0] for row in self._rows])

    def mappings(self) -> "Found":
        """Each by its names."""
        return Found([row._mapping for row in self._rows])  # noqa: SLF001 - SQLAlchemy's public name


def row_of(names: Sequence[str]) -> Callable[[Iterable[Any]], Any]:
    """What makes the rows of a statement, of their values: tuples whose values have these names, too."""

    def mapping(row: tuple[Any, ...]) -> Mapping[str, Any]:
        return MappingProxyType(dict(zip(names, row, strict=True)))

    places: dict[str, Any] = {name: property(itemgetter(place)) for place, name in enumerate(names)}
    made = type("Row", (tuple,), {"__slots__": (), **places, "_mapping": property(mapping)})
    return partial(tuple.__new__, made)
