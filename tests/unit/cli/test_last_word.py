"""What a user reads of a defect: its place, and nothing that it was about."""

import signal
import subprocess
import sys

import pytest

from relay.cli.lastword import last_word


def test_a_defect_is_one_line_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    """An error's text may hold a number or a secret; where it happened is enough to mend it."""
    try:
        int("a number: +12065550142")
    except ValueError as error:
        last_word(type(error), error, error.__traceback__)
    said = capsys.readouterr().err

    assert said.startswith("relay has met a defect of its own: ValueError at unit/cli/test_last_word.py:")
    assert said.count("\n") == 1
    assert "2065550142" not in said


def test_no_traceback_reaches_the_user() -> None:
    """Python asks for the last word whatever was raised, and ends with 1."""
    code = "import sys; from relay.cli.lastword import last_word; sys.excepthook = last_word; {}['secret']"
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert ended.returncode == 1
    assert ended.stderr == "relay has met a defect of its own: KeyError at <string>:1. Please report this line.\n"


def test_a_full_disk_under_what_is_printed_is_no_defect() -> None:
    """`relay init > file` on a full disk: the reason, and nothing to report."""
    code = "import sys; from relay.cli.lastword import last_word; sys.excepthook = last_word; print('x', flush=True)"
    with open("/dev/full", "w") as full:  # noqa: PTH123 - it is a device
        ended = subprocess.run([sys.executable, "-c", code], check=False, stdout=full, stderr=-1, text=True)

    assert ended.stderr.startswith("relay cannot go on: what it says cannot be written: No space left on device\n")
    assert "defect" not in ended.stderr


def test_ctrl_c_is_understood_before_anything_is_loaded() -> None:
    """Loading takes a second or so: whoever thinks better of it reads no traceback."""
    words = [sys.executable, "-v", "-m", "relay", "schema"]  # it says what it loads
    with subprocess.Popen(words, stdout=-3, stderr=-1, text=True, preexec_fn=_hear_ctrl_c) as relay:  # noqa: PLW1509 - one thread
        assert relay.stderr
        next(line for line in relay.stderr if line.startswith("import 'typer"))
        relay.send_signal(signal.SIGINT)
        said = [line for line in relay.stderr if not line.startswith(("import ", "#"))]
    assert relay.returncode in {-signal.SIGINT, 130}
    assert "Traceback" not in "".join(said)
    assert "KeyboardInterrupt" not in "".join(said)


def _hear_ctrl_c() -> None:
    """Whoever starts the tests in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
