"""The opt-out ledger: listed, added to, lifted, taken in from a list. Numbers come and go in bodies alone."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args

from aiohttp import web

from relay.control.asking import BATCH, Controls, Unanswerable, answered, asked_of
from relay.domain.addresses import InvalidAddress, outbound
from relay.journal import Listed, Source
from relay.providerkit.linesettings import ALIAS

T = TypeVar("T")

_SOURCES: tuple[Source, ...] = get_args(Source)
_LONGEST_WORD = 100  # characters


class OptOutRoutes:
    """/optout."""

    def __init__(self, controls: Controls) -> None:
        self._optouts = controls.journal.optouts
        self._lines = controls.lines

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.get("/optout", self._list),
            web.post("/optout/of", self._of),
            web.post("/optout/add", self._add),
            web.post("/optout/remove", self._remove),
            web.post("/optout/import", self._import),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        asked = request.query
        line, lifted, after = asked.get("line") or None, asked.get("lifted") == "1", asked.get("after", "")
        return answered(await self._optouts.list(line, lifted=lifted, after=after, limit=BATCH))

    async def _of(self, request: web.Request) -> web.Response:
        addresses, refused = _each(await asked_of(request), "addresses", _address)
        return answered({"found": await self._optouts.of(addresses), "refused": refused})

    async def _add(self, request: web.Request) -> web.Response:
        asked = await asked_of(request)
        line, (addresses, refused) = self._line(asked), _each(asked, "addresses", _address)
        return answered(_counts("new", await self._optouts.add(addresses, line), len(addresses), refused))

    async def _remove(self, request: web.Request) -> web.Response:
        asked = await asked_of(request)
        line, (addresses, refused) = self._line(asked), _each(asked, "addresses", _address)
        return answered(_counts("lifted", await self._optouts.remove(addresses, line), len(addresses), refused))

    async def _import(self, request: web.Request) -> web.Response:
        entries, refused = _each(await asked_of(request), "entries", _entry)
        strange = {entry.line for entry in entries if entry.line is not None}.difference(self._lines)
        counts = _counts("new", await self._optouts.import_(entries), len(entries), refused)
        return answered({**counts, "unknown_lines": sorted(strange)})

    def _line(self, asked: dict[str, Any]) -> str | None:
        line: Any = asked.get("line")
        if line is not None and line not in self._lines:
            raise Unanswerable(400, f"no such line; the lines are: {', '.join(self._lines)}")
        return None if line is None else str(line)


def _each(asked: dict[str, Any], name: str, read: Callable[[Any], T]) -> tuple[list[T], list[dict[str, Any]]]:
    """What can be read of a list, and of the rest its place and what is wrong with it."""
    listed = asked.get(name)
    if not isinstance(listed, list) or len(listed) > BATCH:
        raise Unanswerable(400, f"{name} must be a list of at most {BATCH}")
    good: list[T] = []
    refused: list[dict[str, Any]] = []
    for place, one in enumerate(listed):
        try:
            good.append(read(one))
        except ValueError as error:
            refused.append({"place": place, "why": str(error)})
    return good, refused


def _counts(name: str, count: int, of: int, refused: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: count, "unchanged": of - count, "refused": refused}


def _address(text: Any) -> str:
    if not isinstance(text, str):
        raise InvalidAddress("the address must be a text")
    return outbound(text).value


def _entry(asked: Any) -> Listed:
    if not isinstance(asked, dict):
        raise ValueError("the entry must be an object")  # noqa: TRY004 - all of them are told as one kind
    line, source, word = (asked.get(name) or None for name in ("line", "source", "word"))
    # An alias never looks like a number: where columns were mixed up, none gets into the list of lines.
    if line is not None and not (isinstance(line, str) and ALIAS.fullmatch(line)):
        raise ValueError("the line must be an alias: small letters, digits and dashes, at most 32, and no phone number")
    known = next((one for one in _SOURCES if one == (source or "import")), None)
    if known is None:
        raise ValueError(f"the source must be one of: {', '.join(_SOURCES)}")
    if word is not None and not (isinstance(word, str) and len(word) <= _LONGEST_WORD):
        raise ValueError(f"the word must be a text of at most {_LONGEST_WORD} characters")
    return Listed(_address(asked.get("address")), line, _moment(asked.get("at")), known, word)


def _moment(text: Any) -> datetime | None:
    if text is None or text == "":
        return None
    try:
        at = datetime.fromisoformat(str(text))
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("the time must be as in 2026-11-21T09:00:00Z, with its zone")
