"""A mosquitto on this machine: would it forget what it has confirmed? No broker says so; its configuration does.

It is found by its process, whose configuration people may read as a rule; where they may not, nothing is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from relay.cli.findings import Finding, hint, wrong

_PART = "broker"
_PROCESSES = Path("/proc")
_FEW = 100_000  # messages for a client that is away
_LONG = 60  # seconds of messages that a killed broker may forget
_AT_ONCE = "autosave_interval 1 and autosave_on_changes true, each on its line; then: systemctl restart mosquitto"
_FORGETS = (
    "what it has confirmed is gone when it is {}: requests on their way to relay, and what relay has told clients"
)


def look_at_mosquitto(port: int, processes: Path = _PROCESSES) -> Iterator[Finding]:
    """What could be better of the mosquitto that listens on `port`; nothing where it cannot be seen."""
    for path in _configurations(processes):
        settings = _read(path)
        if port in _ports(settings):
            yield from _judged(path, settings)
            return


def _judged(path: Path, settings: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    last: Mapping[str, str] = dict(settings)
    if last.get("persistence") != "true":
        cure = f"write into {path}: persistence true, {_AT_ONCE}"
        yield wrong(_PART, "mosquitto keeps nothing on disk (persistence)", _FORGETS.format("stopped"), cure)
    elif last.get("autosave_on_changes") != "true" or _number(last, "autosave_interval", 1800) > _LONG:
        cure = f"write into {path}: {_AT_ONCE}"
        yield hint(
            _PART, "mosquitto writes down now and then only (autosave_interval)", cure, _FORGETS.format("killed")
        )
    most = _number(last, "max_queued_messages", 1000)
    if 0 < most < _FEW:
        what = f"mosquitto keeps {most} messages for a client that is away (max_queued_messages)"
        why = "it drops what is more, and tells the sender Success"
        yield hint(
            _PART, what, f"write into {path}: max_queued_messages 1000000; then: systemctl reload mosquitto", why
        )


def _configurations(processes: Path) -> Iterator[Path]:
    """The configurations of the mosquittos that run here."""
    for folder in sorted(processes.glob("[0-9]*")):
        words: list[str] = []
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        if words and Path(words[0]).name == "mosquitto":
            named = [after for word, after in pairwise(words) if word in {"-c", "--config-file"}]
            yield from (Path(name) for name in named if Path(name).is_absolute())


def _read(path: Path) -> list[tuple[str, str]]:
    """Each setting with its value, in order, what is included among them."""
    found: list[tuple[str, str]] = []
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text().splitlines():
            key, _, value = line.strip().partition(" ")
            if key == "include_dir":
                for more in sorted(Path(value.strip()).glob("*.conf")):
                    found += _read(more)
            elif key and not key.startswith("#"):
                found.append((key, value.strip()))
    return found


def _ports(settings: Sequence[tuple[str, str]]) -> set[int]:
    named = {int(value.split()[0]) for key, value in settings if key in {"listener", "port"} and value[:1].isdecimal()}
    return named or {1883}


def _number(settings: Mapping[str, str], key: str, otherwise: int) -> int:
    value = settings.get(key, "")
    return int(value) if value.isdecimal() else otherwise
