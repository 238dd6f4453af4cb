"""Which programs the documentation may start, and with which words: what is wrong is said, and nothing is run."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import typer
from typer.main import get_command

from relay.cli.main import app
from tests.documents.filling import filled
from tests.documents.shell import Call
from tests.repo.sources import ROOT

# What typer says of a wrong command line has no public name.
_USAGE = cast("type[Exception]", typer.BadParameter.__bases__[0])
_TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
_VERBS = {"status", "start", "stop", "restart", "reload", "enable", "disable", "daemon-reload", "edit", "kill", "show"}
_VERBS |= {"reset-failed", "clean", "is-active", "cat"}
_UNITS = re.compile(r"(relay(@\w+)?(\.service|\.socket)?|mosquitto|postgresql)")
_PACKAGES = {"mosquitto", "mosquitto-clients", "python3-venv", "make", "python3", "python3-pip"}


@cache
def _relays_own() -> Any:
    return get_command(app)


def leaves(below: Any = None) -> Iterator[Any]:
    """Every command of relay's that has none below it."""
    here = below or _relays_own()
    for command in getattr(here, "commands", {}).values():
        yield from leaves(command) if hasattr(command, "commands") else [command]


def wrong_with_relay(words: list[str], *, whole: bool = True) -> list[str]:
    """What relay's command line would say against these words, which begin with `relay`; it only parses them.

    Args:
        words: the command.
        whole: whether it is one to type; else only spoken of, and what it is about may be left out.
    """
    here: Any = _relays_own()
    rest, path = words[1:], ["relay"]
    while hasattr(here, "commands"):
        if not rest:
            return []
        if rest[0] in {"-h", "--help"}:
            return []
        if rest[0] not in here.commands:
            return [f"{' '.join(path)} has no {rest[0]}"]
        here = here.commands[rest[0]]
        path.append(rest.pop(0))
    return _parsed(here, rest, whole=whole)


def _parsed(command: Any, rest: list[str], *, whole: bool) -> list[str]:
    if {"-h", "--help"} & set(rest):
        return []
    try:
        command.make_context(command.name, list(rest))
    except _USAGE as error:
        said = str(error)
        left_out = type(error).__name__ == "MissingParameter" or said.endswith("requires an argument.")
        return [] if left_out and not whole else [said]
    return []


def _relay(call: Call) -> list[str]:
    return wrong_with_relay(["relay", *filled(call.words[1:])])


def _make(call: Call) -> list[str]:
    targets = [word for word in call.words[1:] if "=" not in word]
    return [f"no target {word}" for word in targets if word not in _TARGETS]


def _systemctl(call: Call) -> list[str]:
    bare = [word for word in call.words[1:] if not word.startswith("-") and word not in {"NRestarts", "KILL"}]
    verb, units = (bare[0], bare[1:]) if bare else ("status", [])
    return [
        *([] if verb in _VERBS else [f"systemctl has no {verb}"]),
        *(f"no unit {unit}" for unit in units if not _UNITS.fullmatch(unit)),
    ]


def _install(call: Call) -> list[str]:
    """Files of the project that are copied have to be there."""
    bare, words = list[str](), iter(call.words[1:])
    for word in words:
        if word in {"-m", "-o", "-g"}:
            next(words)
        elif not word.startswith("-"):
            bare.append(word)
        elif word not in {"-D", "-d"}:
            return [f"install is not known with {word}"]
    if "-d" in call.words:
        return []
    if len(bare) != 2:
        return ["install takes from, to"]
    return _there(bare[0])


def _there(name: str) -> list[str]:
    return [] if Path(name).is_absolute() or (ROOT / name).exists() else [f"no file {name}"]


def _pip(call: Call) -> list[str]:
    known = {"install", "--require-hashes", "-r", "--no-deps", "--no-build-isolation", ".", ".[postgresql]", "aiomqtt"}
    known |= {".[otel]", ".[opentelemetry]", ".[tracing]"}
    files = [word for word in call.words if word.endswith(".lock")]
    unknown = set(call.words[1:]) - known - set(files)
    return [*(f"pip: {word}" for word in unknown), *(problem for name in files for problem in _there(name))]


def _python(call: Call) -> list[str]:
    match call.words[1:]:
        case ["-m", "venv", _]:
            return []
        case ["-m", "relay", *rest]:
            return wrong_with_relay(["relay", *rest])
        case ["-m", module]:
            return _there(module.replace(".", "/") + ".py")
        case ["-c", code]:
            return [] if compile(code, "page", "exec") else [code]
        case [*words]:
            return _script(Call(words))


def _script(call: Call) -> list[str]:
    return [] if list((ROOT / "examples").rglob(call.program)) else [f"no script {call.program}"]


def _apt(call: Call) -> list[str]:
    bare = [word for word in call.words[1:] if not word.startswith("-")]
    if bare in (["update"], ["purge", "att-relay"], ["remove", "att-relay"]):
        return []
    own = [word for word in bare[1:] if word.startswith("./dist/att-relay_")]
    unknown = set(bare[1:]) - _PACKAGES - set(own)
    return [] if bare[:1] == ["install"] and not unknown else [f"apt-get: {bare}"]


def _journalctl(call: Call) -> list[str]:
    pattern = r"(-u relay(@\w+)?|-n \d+|-f|-o (cat|json)|--since \S+|-p \w+| )*"
    return [] if re.fullmatch(pattern, " ".join(call.words[1:])) else [f"journalctl: {call.words[1:]}"]


def _pytest(call: Call) -> list[str]:
    named = [word for word in call.words[1:] if word.startswith("tests")]
    return [problem for name in named for problem in _there(name)]


def _only(*allowed: str) -> Callable[[Call], list[str]]:
    """A program whose first word is one of these."""

    def judge(call: Call) -> list[str]:
        first = call.words[1] if len(call.words) > 1 else ""
        return [] if first in allowed else [f"{call.program} {first}"]

    return judge


def _mosquitto_client(call: Call) -> list[str]:
    known = {"-t", "-q", "-m", "-v", "-h", "-p", "-u", "-P", "-d", "-V", "-i", "-c", "-C", "-W", "-r", "-s", "-l"}
    known |= {"--cafile", "-D"}
    flags = {word for word in call.words[1:] if re.fullmatch(r"--?[a-zA-Z]+", word)}
    return [f"{call.program} {flag}" for flag in flags - known]


def _free(_: Call) -> list[str]:
    return []


KNOWN: Mapping[str, Callable[[Call], list[str]]] = MappingProxyType(
    {
        "relay": _relay,
        "make": _make,
        "systemctl": _systemctl,
        "install": _install,
        "pip": _pip,
        "python": _python,
        "python3": _python,
        "apt-get": _apt,
        "journalctl": _journalctl,
        "pytest": _pytest,
        "mosquitto_pub": _mosquitto_client,
        "mosquitto_sub": _mosquitto_client,
        "mosquitto_passwd": _free,
        "mosquitto": _only("-c"),
        "send.sh": _script,
        "listen.sh": _script,
        "systemd-analyze": _only("security", "verify"),
        "systemd-tmpfiles": _only("--create"),
        "systemd-sysusers": _free,
        "systemd-creds": _only("encrypt"),
        **dict.fromkeys(
            ("echo", "umask", "export", "exit", "rm", "chown", "df", "du", "grep", "editor", "shred"), _free
        ),
        **dict.fromkeys(("ssh", "useradd", "pg_basebackup"), _free),
    }
)


def wrong_with(call: Call) -> list[str]:
    """What is wrong with a call: nothing, or what is not there."""
    if not call.words:
        return []
    known = KNOWN.get(call.program)
    return [f"nobody knows {call.program}: say in {__name__} what may be typed"] if known is None else known(call)
