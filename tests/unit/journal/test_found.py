"""What was found is asked as SQLAlchemy's results are asked, and answers the same."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import MultipleResultsFound, NoResultFound

from relay.journal.found import Found, row_of

ROWS = [(1, "a", None), (2, "b", b"x")]
ASKED: dict[str, Callable[[Any], Any]] = {
    "all": lambda found: [tuple(row) for row in found.all()],
    "each": lambda found: [row.name for row in found],
    "first": lambda found: found.first(),
    "one": lambda found: found.one(),
    "one or none": lambda found: found.one_or_none(),
    "scalar": lambda found: found.scalar(),
    "scalar one": lambda found: found.scalar_one(),
    "scalars": lambda found: list(found.scalars()),
    "all scalars": lambda found: found.scalars().all(),
    "mappings": lambda found: [dict(one) for one in found.mappings()],
    "first mapping": lambda found: found.mappings().first(),
}


def _theirs(count: int) -> Any:
    values = " UNION ALL ".join(["SELECT 1 AS number, 'a' AS name, NULL AS class", "SELECT 2, 'b', x'78'"][:count])
    with create_engine("sqlite://").connect() as connection:
        none = "SELECT 1 AS number, 'a' AS name, NULL AS class WHERE 0"
        return connection.execute(text(values or none)).freeze()()


def _ours(count: int) -> Found:
    return Found(list(map(row_of(["number", "name", "class"]), ROWS[:count])))


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("how", ASKED)
def test_every_question_is_answered_as_by_sqlalchemy(how: str, count: int) -> None:
    """With no row, with one, and with two: the same value, or the same error."""
    try:
        expected = ASKED[how](_theirs(count))
    except (NoResultFound, MultipleResultsFound) as error:
        with pytest.raises(type(error)):
            ASKED[how](_ours(count))
    else:
        assert ASKED[how](_ours(count)) == expected


def test_a_row_has_its_values_by_place_and_by_name() -> None:
    """Also under a name that is a word of the language; and nobody changes them."""
    row = _ours(1).first()
    assert (row[0], row.number, row.name, getattr(row, "class")) == (1, 1, "a", None)
    assert row._mapping == {"number": 1, "name": "a", "class": None}
    with pytest.raises(TypeError):
        row._mapping["name"] = "b"
    with pytest.raises(AttributeError):
        row.name = "b"
    with pytest.raises(AttributeError):
        _ = row.other
