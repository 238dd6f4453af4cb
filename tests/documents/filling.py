"""What stands in the documentation for something of the reader's, and what takes its place when a test runs it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

# Words in capitals, as the pages use them.
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "ID": "waits-1",
        "ID...": "waits-1",
        "COPY": "COPY",
        "CODE": "queue_full",
        "KIND": "event",
        "URL": "postgresql://relay@127.0.0.1:9/relay",
        "postgresql://relay@db1.example/relay": "postgresql://relay@127.0.0.1:9/relay",
    }
)
# What one command makes, the other takes.
_FILES = {"export": "jsonl", "import": "jsonl"}
# Lines of the kind that a command is for.
_LINES = {"auth": "desk", "webhooks": "office"}
_BELOW = ("/var/backups/", "/var/lib/relay/", "/etc/relay/", "/tmp/relay-lab/state/", "/tmp/relay-lab/")  # noqa: S108 - the pages' own
_HERE = {"pw", "schemas"}  # named as from the reader's own folder
_SOCKETS = "/run/relay"


def filled(words: list[str], folder: Path | None = None, **more: str) -> list[str]:
    """A command with real things in the place of the reader's.

    Args:
        words: of the command.
        folder: where files are; nothing: they stay where they are.
        more: further words, such as the id of a copy.
    """
    command = words[0] if words else ""
    file = f"/var/backups/another.{_FILES.get(command, 'db')}"
    known = {**WORDS, "LINE": _LINES.get(command, "alerts"), "FILE": file, **more}
    return [_moved(known.get(word, word), folder) for word in words]


def _moved(word: str, folder: Path | None) -> str:
    if folder is None:
        return word
    if word in _HERE:
        return str(folder / word)
    if word.startswith(_SOCKETS):
        return str(folder / "relay.sock")
    for beginning in _BELOW:
        if word.startswith(beginning):
            return str(folder / word.removeprefix(beginning))
    return word
