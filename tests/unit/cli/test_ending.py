"""What a user reads when a command cannot go on."""

import errno
import os

import pytest
from typer import Exit

from relay.cli.ending import ending_in_words
from relay.journal import JournalInUse, JournalTooNew
from relay.settings import BadSettings, SettingProblem

IN_USE = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
BAD = BadSettings([SettingProblem("relay.toml:3", "bus.url", "must be an address")])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BAD, 78, "relay.toml:3: bus.url: must be an address"),
        (JournalTooNew("the journal is newer"), 1, "the journal is newer"),
        (JournalInUse("another relay has it"), 1, "another relay has it"),
        (IN_USE, 1, "relay cannot go on: Address already in use"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"), 1, "/x: No such file or directory"),
        (ExceptionGroup("outer", [ExceptionGroup("inner", [IN_USE])]), 1, "Address already in use"),
    ],
)
def test_what_is_expected_ends_in_a_sentence_and_a_code(
    error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
):
    """Bad settings are 78, everything else 1."""
    with pytest.raises(Exit) as ended, ending_in_words():
        raise error
    assert ended.value.exit_code == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("error", [ZeroDivisionError(), ExceptionGroup("some", [ZeroDivisionError()])])
def test_a_defect_goes_on(error: Exception):
    """It is not dressed up as something else: the last word of the program tells its place."""
    with pytest.raises(ZeroDivisionError), ending_in_words():
        raise error


def test_a_closed_pipe_is_left_to_the_command_line():
    """`relay tail | head` ends without a word."""
    with pytest.raises(BrokenPipeError), ending_in_words():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
