"""The parts of the demo that can be seen without playing it."""

import io
from pathlib import Path

import pytest

from relay.demo.broker import running_broker
from relay.demo.story import phones
from relay.demo.summary import _difference
from relay.demo.telling import Teller
from relay.demo.trouble import Trouble


class Terminal(io.StringIO):
    """Somewhere that a person looks at."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_every_phone_is_one_that_nobody_has():
    """555-0100 to 555-0199 are kept for fiction; no number comes twice, and two cannot be reached."""
    numbers = phones(120)
    assert len(set(numbers)) == 120
    assert all(number[5:8] == "555" and "0100" <= number[8:] <= "0199" for number in numbers)
    assert sum(number.endswith("13") for number in numbers) == 2


@pytest.mark.parametrize(
    ("sent", "arrived", "lost_and_doubled"),
    [
        ("ab", "ba", (0, 0)),
        ("ab", "a", (1, 0)),
        ("a", "aa", (0, 1)),
        ("aab", "abb", (1, 1)),
        ("", "a", (0, 1)),
    ],
)
def test_the_two_ledgers_are_compared_one_by_one(sent: str, arrived: str, lost_and_doubled: tuple[int, int]):
    """A text too many does not make up for one that is missing."""
    assert _difference([(each, "") for each in sent], [(each, "") for each in arrived]) == lost_and_doubled


def test_a_count_is_for_a_terminal_and_makes_way():
    """The line that follows takes its place; in a file there is only the line."""
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        tell = Teller(out)
        count = tell.counter("topic", "of 2")
        for number in (0, 1, 1, 2):
            count(number)
        tell.step("topic", "2 of 2", number=1)
    assert file.getvalue().split() == ["1", "topic", "2", "of", "2"]
    assert terminal.getvalue().count("1 of 2") == 1
    assert terminal.getvalue().endswith("\r\x1b[K 1 topic                       2 of 2\n")


async def test_a_broker_that_cannot_be_had_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A mosquitto that ends at once is noticed, and the way round it is named."""
    program = tmp_path / "bin" / "mosquitto"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    with pytest.raises(Trouble, match="does not start: try --broker amqtt"):
        async with running_broker("mosquitto", tmp_path):
            pass
