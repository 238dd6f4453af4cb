"""what was asked for on the command line -> a conversation -> files, and what to do with them."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import typer
from pydantic_core import to_json

from relay.cli.ending import ending_in_words
from relay.cli.setup.adding import NotThere, add, begin_with, read_settings
from relay.cli.setup.draft import Draft
from relay.cli.setup.files import PRIVATE, File, write_all
from relay.cli.setup.interview import Interview
from relay.cli.setup.making import Made, make, settle_place
from relay.cli.setup.place import Place, place_of
from relay.cli.setup.talk import Talk, say
from relay.ids import unguessable
from relay.providers import discover
from relay.telemetry.logging import configure

_USAGE = 2
_WAYS = (
    "directory",
    "more",
    "base_url",
    "systemd",
    "add_line",
    "yes",
    "offline",
    "keep",
    "force",
    "dry_run",
    "as_json",
)
_SALT = 12  # bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: `flags` are answers, the rest says how."""

    flags: Mapping[str, str]
    directory: Path | None
    more: Sequence[str]
    base_url: str | None
    systemd: bool
    add_line: bool
    yes: bool
    offline: bool
    keep: bool
    force: bool
    dry_run: bool
    as_json: bool

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """From the command's options, by their names."""
        answers = {name: value for name, value in options.items() if name not in _WAYS and value is not None}
        flags = {f"--{name.replace('_', '-')}": value for name, value in answers.items()}
        return cls(flags=flags, **{name: options[name] for name in _WAYS})

    def settings(self) -> list[tuple[str, str]]:
        """What `--set` says. Raises a usage error."""
        pairs = [each.partition("=") for each in self.more]
        if any(not separator or not key for key, separator, _ in pairs):
            raise typer.BadParameter("write it as KEY=VALUE, such as receipts=off", param_hint="--set")
        return [(key, value) for key, _, value in pairs]


def set_up(asked: Asked) -> None:
    """Ask, try, write.

    Raises:
        typer.Exit: 1 where it failed or a file is there, 2 where an answer is missing; the reason stands on standard
            error, and nothing was written.
    """
    place = place_of(asked.directory)
    if not str(place.directory).isprintable():  # it is written into files of several programs
        raise typer.BadParameter("must be one line of printable text", param_hint="--directory")
    configure("text", "critical", sys.stderr, unguessable().encode())
    try:
        made, talk = _added(asked, place) if asked.add_line else _new(asked, place)
        if not asked.dry_run:
            _write(made)
    except (typer.Abort, KeyboardInterrupt):
        say("\nStopped: nothing was written.")
        raise typer.Exit(1) from None
    _tell(asked, place, made, talk)


def _new(asked: Asked, place: Place) -> tuple[Made, Talk]:
    if not (asked.force or asked.dry_run):
        _refuse([place.config])
    interview = _interview(asked)
    if interview.talk.asks:
        say(f"Each answer is tried as you give it, and all is written at the end, below {place.directory}.")
        say("Ctrl-C leaves nothing behind. Enter takes what stands in brackets.")
    settle_place(interview.draft, place)
    interview.hold()
    interview.talk.refuse_unasked()
    systemd = asked.systemd or (
        place.is_service and interview.talk.confirm("Does systemd run relay?", default=asked.systemd or not asked.yes)
    )
    with ending_in_words():
        made = make(interview.draft, place, systemd=systemd, salt=_salt, consents=interview.consents)
    if asked.force:
        made = replace(made, files=[replace(file, replaces=True) for file in made.files])
    return made, interview.talk


def _salt() -> bytes:
    return unguessable().encode()[:_SALT]


def _added(asked: Asked, place: Place) -> tuple[Made, Talk]:
    try:
        there = read_settings(place)
    except NotThere as missing:
        say(str(missing))
        raise typer.Exit(1) from None
    interview = replace(_interview(asked), taken=tuple(there.get("lines", {})))
    begin_with(there, interview.draft)
    interview.line()
    interview.talk.refuse_unasked()
    with ending_in_words():
        return add(interview.draft, place, there, interview.consents), interview.talk


def _interview(asked: Asked) -> Interview:
    asks = not asked.yes and sys.stdin.isatty()
    talk = Talk(asked.flags, asks=asks, tries=not asked.offline, keeps=asked.keep)
    return Interview(talk, Draft(discover()), asked.settings(), asked.base_url)


def _write(made: Made) -> None:
    _refuse([file.path for file in made.files if not file.replaces])
    with ending_in_words():
        write_all(made.files, made.folders)


def _refuse(paths: Sequence[Path]) -> None:
    """End where one of these is there."""
    there = [str(path) for path in paths if os.path.lexists(path)]
    if there:
        say(f"There is already: {', '.join(there)}. Nothing was written.")
        say("To add a line to it: relay init --add-line. To begin anew: --directory elsewhere, or --force.")
        raise typer.Exit(1)


def _tell(asked: Asked, place: Place, made: Made, talk: Talk) -> None:
    if asked.as_json:
        files = [
            {"path": str(file.path), "mode": f"{file.mode:04o}", "written": not asked.dry_run} for file in made.files
        ]
        steps = {"broker": made.broker, "before": made.before, "try": made.three, "after": made.after}
        tried = [finding.as_body() for finding in talk.found]
        typer.echo(to_json({"directory": str(place.directory), "files": files, "tried": tried, **steps}))
    elif asked.dry_run:
        typer.echo("\n".join(_shown(file) for file in made.files))
    else:
        typer.echo(_in_words(place, made))


def _shown(file: File) -> str:
    """A file as `--dry-run` shows it."""
    text = "(left out: it is secret)\n" if file.mode == PRIVATE else file.text
    return f"# ---- {file.path} ({file.mode:04o})\n{text}"


def _in_words(place: Place, made: Made) -> str:
    names = [f"  {file.path.relative_to(place.directory)}{_aside(file)}" for file in made.files]
    parts = [f"Written below {place.directory}:", *names]
    if made.broker:
        parts += ["The broker's part, where mosquitto is yours:", *(f"  {command}" for command in made.broker)]
    if made.before:
        parts += ["systemd's part:", *(f"  {command}" for command in made.before)]
    parts += ["Then try:", *(f"  {command}" for command in made.three)]
    if made.after:
        parts += ["Once it runs, for the subscribers to agree:", *(f"  {command}" for command in made.after)]
    return "\n".join(parts)


def _aside(file: File) -> str:
    return "  (for its owner alone)" if file.mode == PRIVATE else ""
