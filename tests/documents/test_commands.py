"""Every command in the documentation exists, with every option and as many words as it is shown with."""

import re
from collections.abc import Iterator

import pytest

from tests.documents.filling import filled
from tests.documents.pages import BLOCKS, PAGES, Block, remarks
from tests.documents.programs import leaves, wrong_with, wrong_with_relay
from tests.documents.shell import calls, lines_of, prompted
from tests.repo.sources import python_sources

TYPED = [block for block in BLOCKS if block.language in {"sh", "console"}]
SPOKEN = [(page.name, words) for page in PAGES for words in page.spoken] + list(remarks())


def typed(block: Block) -> list[str]:
    """The lines of a block that somebody types."""
    return list(lines_of(block.text) if block.language == "sh" else prompted(block.text))


def wrong_in(lines: list[str]) -> list[str]:
    """What is wrong with lines for a shell."""
    return [f"{line}: {problem}" for line in lines for call in calls(line) for problem in wrong_with(call)]


def wrong_with_spoken(words: str) -> list[str]:
    """What is wrong with a command in a sentence; what it is about may be left out there."""
    [first, *_] = calls(words)
    if first.program == "relay":
        return wrong_with_relay(["relay", *filled(first.words[1:])], whole=False)
    return wrong_with(first)


def is_command(words: str) -> bool:
    """Whether a sentence speaks of a command."""
    first, _, rest = words.removeprefix("sudo ").partition(" ")
    return bool(rest) and first.rpartition("/")[2] in {"relay", "make", "systemctl", "journalctl", "systemd-analyze"}


@pytest.mark.parametrize("block", TYPED, ids=lambda block: block.place)
def test_every_line_to_type_is_right(block: Block) -> None:
    """Programs, options, files that are copied."""
    lines = typed(block)
    assert lines, "nothing is typed here"
    assert wrong_in(lines) == []


@pytest.mark.parametrize("name", sorted({name for name, words in SPOKEN if is_command(words)}))
def test_every_command_in_a_sentence_exists(name: str) -> None:
    """With every option that it is named with."""
    spoken = {words for place, words in SPOKEN if place == name and is_command(words)}
    assert [f"{words}: {problem}" for words in sorted(spoken) for problem in wrong_with_spoken(words)] == []


def examples() -> Iterator[str]:
    """The examples that `--help` shows of each command."""
    for command in leaves():
        told = re.sub(r"\\\n\s*", " ", f"{command.help or ''}\n{command.epilog or ''}")
        for line in told.splitlines():
            if shown := re.search(r"(?:^|: )\s*((?:sudo |\w+ .*\| |cat .* \| )?relay [a-z]+ .*[^.])$", line):
                yield shown[1]


def test_every_example_of_the_help_is_right() -> None:
    """As it is typed."""
    shown = list(examples())
    assert len(shown) > 20
    assert wrong_in(shown) == []


def test_every_command_that_relay_itself_speaks_of_exists() -> None:
    """In cures, errors and advice."""
    spoken = {
        words for source in python_sources("relay") for words in re.findall(r"`(relay [a-z][^`{}\n]*)`", source.text)
    }
    assert len(spoken) > 20
    assert [f"{words}: {problem}" for words in sorted(spoken) for problem in wrong_with_spoken(words)] == []


@pytest.mark.parametrize(
    "line",
    [
        "relay queue burn ID",
        "relay optout list --soon",
        "relay send",
        "relay queue list --limit many",
        "sudo make everything",
        "sudo systemctl paint relay",
        "sudo systemctl restart relax",
        "sudo install -m 644 config/nothing.toml /etc/relay/relay.toml",
        "echo '{}' | relay send alerts --tomorrow",
        "relay status && shutdown now",
        "(umask 077; relay shout)",
    ],
)
def test_what_is_not_there_is_found(line: str) -> None:
    """The check can fail."""
    assert wrong_in([line])


def test_lines_are_taken_apart_as_a_shell_does() -> None:
    """Pipes, redirections, variables, continued lines, and text that is handed over."""
    text = "# no\nA=b sudo x -y \\\n  'a b' < f   # why\nsudo cat <<END\nnot this\nEND\necho '{}' | relay send l && z"
    found = [call for line in lines_of(text) for call in calls(line)]
    assert [call.words for call in found] == [
        ["x", "-y", "a b"],
        ["cat"],
        ["echo", "{}"],
        ["relay", "send", "l"],
        ["z"],
    ]
    assert (found[0].variables, found[0].reads, found[3].reads) == ({"A": "b"}, "f", "{}")
    with pytest.raises(ValueError, match="END never comes"):
        list(lines_of("cat <<END\nx"))


def test_there_is_something_to_look_at() -> None:
    """A search that finds nothing proves nothing."""
    assert sum(len(typed(block)) for block in TYPED) > 100
