"""Checksums: the quick way gives what was always given, so that rows of an older relay are found whole."""

import json
from typing import Any
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from relay.journal.columns import BROKEN, as_json
from relay.journal.sums import command_sum, fits, kept_command_sum, sum_of

TEXTS = st.text(st.characters(exclude_categories=[]))
VALUES = st.none() | st.booleans() | st.integers() | TEXTS | st.binary()


def _long(*payload: Any) -> int:
    """The checksum as it is defined: of the values' JSON, one after the other; bytes stand for themselves."""
    total = 0
    for value in payload:
        plain = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode("ascii")
        total = crc32(plain, total)
    return total


@given(st.lists(VALUES, max_size=8))
def test_a_sum_is_that_of_the_values_as_json(values: list[Any]) -> None:
    """Whatever they hold: quotes, controls, any script, half a surrogate pair, numbers of any size."""
    assert sum_of(*values) == _long(*values)


@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(0, 3))
def test_another_value_is_another_sum(values: list[Any], place: int) -> None:
    """Of one that is changed to another text."""
    place %= len(values)
    other = [*values[:place], f"{values[place]}?", *values[place + 1 :]]
    assert sum_of(*values) != sum_of(*other)


def test_the_sum_of_a_command_is_that_of_its_answer_as_it_is_kept() -> None:
    """Read or not; a damaged answer fits no sum."""
    row = {
        "key": "order-1",
        "line": "alerts",
        "client": "",
        "digest": "d",
        "message_id": "m",
        "answer": {"a": [1, None]},
    }
    total = command_sum(row)
    assert total == kept_command_sum(row, as_json(row["answer"]))
    assert fits(total, command_sum({**row, "answer": {"a": [1, None]}}))
    others: list[dict[str, Any]] = [{"answer": BROKEN}, {"answer": {}}, {"key": "order-2"}, {"client": "shop"}]
    for other in others:
        assert not fits(total, command_sum({**row, **other}))
