"""Files and functions of relay stay small enough to be read at one go."""

from functools import cache

from tests.repo.sources import Source, python_sources


@cache
def relay() -> list[Source]:
    """Its files."""
    return python_sources("relay")


@cache
def files() -> dict[str, int]:
    """The code lines of each file."""
    return {source.name: len(source.code_lines) for source in relay()}


@cache
def functions() -> dict[str, int]:
    """The code lines of each function."""
    return {place: length for source in relay() for place, length in source.functions.items()}


def _over(lengths: dict[str, int], limit: int) -> dict[str, int]:
    return {name: length for name, length in lengths.items() if length > limit}


def test_no_file_has_more_than_300_code_lines() -> None:
    """A longer file has a second idea in it."""
    assert _over(files(), 300) == {}


def test_nine_files_of_ten_have_at_most_200_code_lines() -> None:
    """Long files are the exception."""
    longer = _over(files(), 200)
    assert len(longer) <= len(files()) / 10, longer


def test_no_function_has_more_than_40_code_lines() -> None:
    """A longer function does several things."""
    assert _over(functions(), 40) == {}


def test_nine_functions_of_ten_have_at_most_20_code_lines() -> None:
    """Long functions are the exception."""
    longer = _over(functions(), 20)
    assert len(longer) <= len(functions()) / 10, longer


def test_what_is_counted_is_code() -> None:
    """Blank lines, comments and docstrings are free: explaining costs nothing."""
    here = next(source for source in python_sources("tests") if source.name == "tests/repo/test_size.py")
    lines = here.text.splitlines()
    # a comment
    assert 1 not in here.code_lines
    assert lines.index("    # a comment") + 1 not in here.code_lines
    assert lines.index("    lines = here.text.splitlines()") + 1 in here.code_lines
    assert functions()
