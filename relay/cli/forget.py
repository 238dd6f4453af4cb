"""relay forget: take people out of everything that relay keeps. Numbers come from a file or standard input alone."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, fail, talk
from relay.cli.numbers import BadList, Row, numbers_of
from relay.cli.words import counted

EXAMPLE = """\b
Example: relay forget < numbers.txt

Numbers and e-mail addresses are read from a file or from standard input, one a
line: `ps` shows the arguments of every command. Texts to these people that wait
are canceled, and what nobody knows to be sent has failed; both are told by a
final receipt. A text that others got, too, stays for them. An opt-out goes on
holding, by a hash. What comes in from them afterwards is new.

Backups made before, the log, the broker and AT&T keep what they have. An id of
a request that holds the number is known no more: it could be sent again.

Exit code 1: some could not be read, or something was under way and is left: run
it again in a minute.
"""

_FileArgument = typer.Argument(Path("-"), metavar="[FILE]", help="Numbers, one a line; - for standard input.")
_AT_ONCE = 100
_LEFT = {
    "under_way": "{0} under way just now: run it again once they have ended",
    "unread": "{0} from a provider not read yet: run it again in a minute",
}
_KINDS = {
    "copies": ("copy", "copies"),
    "messages": ("message", "messages"),
    "events": ("event", "events"),
    "raw": ("page or web hook", "pages or web hooks"),
    "reports": ("parked receipt", "parked receipts"),
    "awaited": ("message on its way", "messages on their way"),
    "media": ("attachment", "attachments"),
    "asides": ("entry set aside", "entries set aside"),
    "optouts": ("opt-out without its number now", "opt-outs without their numbers now"),
}
_NOUNS = {"under_way": ("text is", "texts are"), "unread": ("page is", "pages are")}


def forget(file: Path = _FileArgument, as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Erase people and their texts from everything but their opt-outs."""
    try:
        asked = numbers_of(file)
    except BadList as error:
        fail(str(error))
    total = talk(socket, lambda daemon: _forget(daemon, asked))
    for one in total["refused"]:
        typer.echo(f"line {asked[one['place']].number}: {one['why']}", err=True)
    counts = {**total, "refused": len(total["refused"])}
    typer.echo(to_json(counts) if as_json else _said(counts))
    for kind, count in total["left"].items():
        typer.echo(_LEFT[kind].format(counted(count, *_NOUNS[kind])), err=True)
    if not total["clean"] and not total["left"]:
        typer.echo(
            "bytes may be left in the journal's file: a text of somebody else's names them, or relay's log has why",
            err=True,
        )
    raise typer.Exit(1 if total["refused"] or total["left"] or not total["clean"] else 0)


async def _forget(daemon: Daemon, asked: Sequence[Row]) -> dict[str, Any]:
    people, done, left, clean = 0, Counter[str](), Counter[str](), True
    refused: list[dict[str, Any]] = []
    for start in range(0, len(asked), _AT_ONCE):
        addresses = [row.entry["address"] for row in asked[start : start + _AT_ONCE]]
        async with daemon.following("/forget", {"addresses": addresses}) as answers:
            said = await anext(answers, None)
        if said is None or "error" in said:
            fail(f"relay could not finish: {said['error'] if said else 'it stopped'}. Run it again: it finds the rest")
        people += said["people"]
        done.update(said["done"])
        left.update(said["left"])
        clean = clean and said["is_clean"]
        refused += [{**one, "place": one["place"] + start} for one in said["refused"]]
    return {"people": people, "done": dict(done), "left": dict(left), "clean": clean, "refused": refused}


def _said(counts: dict[str, Any]) -> str:
    some = (counted(count, *_KINDS[kind]) for kind, count in counts["done"].items() if count)
    erased = ", ".join(some) or "nothing was known of them"
    people = counted(counts["people"], "person", "people")
    return f"{people} forgotten ({erased}), {counts['refused']} not read; older backups are not touched"
