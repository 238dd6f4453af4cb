"""What a user reads of a defect: its place, and nothing that it was about."""

import subprocess
import sys

import pytest

from relay.cli.main import _last_word


def test_a_defect_is_one_line_without_its_text(capsys: pytest.CaptureFixture[str]):
    """An error's text may hold a number or a secret; where it happened is enough to mend it."""
    try:
        int("a number: +12065550142")
    except ValueError as error:
        _last_word(type(error), error, error.__traceback__)
    said = capsys.readouterr().err

    assert said.startswith("relay has met a defect of its own: ValueError at unit/cli/test_last_word.py:")
    assert said.count("\n") == 1
    assert "2065550142" not in said


def test_no_traceback_reaches_the_user():
    """Python asks for the last word whatever was raised, and ends with 1."""
    code = "import sys; from relay.cli.main import _last_word; sys.excepthook = _last_word; {}['secret']"
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert ended.returncode == 1
    assert ended.stderr == "relay has met a defect of its own: KeyError at <string>:1. Please report this line.\n"
