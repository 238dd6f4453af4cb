"""The line of a key: where it was first written, whatever stands around it."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.settings.toml_lines import line_of, lines_of

TEXT = '''# a comment with [brackets] and key = value
a = 1
b.c = """
[not.a.table]
d = 4
"""
  [  t . "u v" ]   # a table
e = [
  "x", # ]
  { f = 1 },
]
g = 'no # comment' # comment
h = {i = 1, j = "}"}

[[many]]
k = \'\'\'
l = 1\'\'\'
[[many]]
"m.n" = 1979-05-27T07:32:00Z
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("a",), 2),
        (("b",), 3),
        (("b", "c"), 3),
        (("t",), 7),
        (("t", "u v"), 7),
        (("t", "u v", "e"), 8),
        (("t", "u v", "g"), 12),
        (("t", "u v", "h"), 13),
        (("many",), 15),
        (("many", "k"), 16),
        (("many", "m.n"), 19),
    ],
)
def test_a_key_is_found_on_its_line(keys: tuple[str, ...], line: int) -> None:
    """Dotted, quoted, in a table, after texts and arrays over several lines."""
    assert tomllib.loads(TEXT)
    assert lines_of(TEXT)[keys] == line


@pytest.mark.parametrize("keys", [("d",), ("not",), ("t", "u v", "f"), ("key",), ("l",), ("many", "l")])
def test_what_is_no_key_is_not_found(keys: tuple[str, ...]) -> None:
    """Texts, comments and arrays hold things that look like keys."""
    assert keys not in lines_of(TEXT)


def test_a_key_without_a_line_of_its_own_stands_where_its_table_does() -> None:
    """Inline tables are on one line; a missing key is missing from its table."""
    lines = lines_of(TEXT)
    assert line_of(("t", "u v", "h", "j"), lines) == 13
    assert line_of(("t", "u v", "missing"), lines) == 7
    assert line_of(("nothing",), lines) is None


KEYS = st.text(alphabet="ab-_1", min_size=1, max_size=3)
NOISE = st.text(alphabet="ab[]{}=.# '\"\\\n", max_size=8)
VALUES = st.one_of(NOISE, st.integers(), st.lists(NOISE, max_size=3), st.booleans())


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), st.dictionaries(KEYS, VALUES, max_size=4))
def test_every_key_of_a_written_file_is_found_on_its_line(top: dict[str, Any], table: dict[str, Any]) -> None:
    """Whatever the values hold."""
    written = [(("top", key), f"{key} = {_toml(value)}") for key, value in top.items()]
    written += [(("table", key), f"{key} = {_toml(value)}") for key, value in table.items()]
    text, places = "[top]\n", {}
    for number, (keys, line) in enumerate(written):
        if number == len(top):
            text += "# between\n[table]\n"
        places[keys] = text.count("\n") + 1
        text += f"{line}\n"
    assert tomllib.loads(text)["top"] == top
    assert {keys: lines_of(text)[keys] for keys in places} == places


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"""\n{escaped}"""' if "\n" in value else f'"{escaped}"'
    return str(value)
