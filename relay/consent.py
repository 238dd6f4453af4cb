"""A subscriber's consent: somebody asks for it, a browser brings it back, the line keeps it.

`relay auth login` opens a login and waits; the provider sends the subscriber's browser back to the line's consent
address with a code; the line exchanges it. The page has been seen sending the browser twice with the same code, whose
second exchange would fail (wire facts, 1.6): the last codes are remembered, each with what came of it.
"""

import asyncio
import hmac
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import structlog

from relay.domain.errors import Refused, RelayError
from relay.ids import unguessable
from relay.journal import Journal, JournalError
from relay.providerkit.spec import Line, NeedsConsent
from relay.telemetry.health import LineBoard, LineState

log = structlog.get_logger()

REMEMBERED = 10  # codes a line
_LONGEST_WORDS = 200  # characters of the provider's own that are shown

PART = "consent"  # of a line, on the board


class ConsentingLine(Line, NeedsConsent, Protocol):
    """A line that works only while its subscriber agrees."""


class CannotAsk(Exception):  # noqa: N818 - the name says what cannot be
    """A login cannot be begun; the text says why, and what to do first."""


class End(StrEnum):
    """How a login ends."""

    GIVEN = "given"
    REFUSED = "refused"
    FAILED = "failed"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a login, with a few words for the person who waits for it."""

    end: End
    detail: str


class Returned(StrEnum):
    """What a browser that came back is shown."""

    GIVEN = "given"
    REFUSED = "refused"
    FAILED = "failed"
    FOREIGN = "foreign"  # it belongs to another login
    EMPTY = "empty"  # it brought neither a code nor an error


@dataclass(slots=True)
class Login:
    """A login that waits for its browser. The address holds a secret."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    _end: "asyncio.Future[Outcome]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def end(self, outcome: Outcome) -> None:
        """End it; the first end is the one that counts."""
        if not self._end.done():
            self._end.set_result(outcome)

    async def ended(self) -> Outcome:
        """How it ended, once it has."""
        return await asyncio.shield(self._end)


class Consents:
    """Every line's logins, at most one open at a time for a line.

    Args:
        lines: those that need consent, by alias.
        redirects: the address that each line's browser is sent back to; none where relay has no public address.
        journal: its bell `consent:<line>` wakes the line's stages.
        board: shows which lines wait for their subscriber.
    """

    def __init__(
        self, lines: Mapping[str, ConsentingLine], redirects: Mapping[str, str], *, journal: Journal, board: LineBoard
    ) -> None:
        self._lines = lines
        self._redirects = redirects
        self._journal = journal
        self._board = board
        self._open: dict[str, Login] = {}
        self._exchanges: defaultdict[str, OrderedDict[str, asyncio.Task[Outcome]]] = defaultdict(OrderedDict)

    @property
    def lines(self) -> Sequence[str]:
        """The lines that need consent."""
        return sorted(self._lines)

    def __contains__(self, line: object) -> bool:
        return line in self._lines

    @asynccontextmanager
    async def login(self, line: str) -> AsyncIterator[Login]:
        """Wait for a browser as long as the block lasts; another login of the same line ends this one.

        Raises:
            CannotAsk: the provider has nowhere to send the browser back to.
        """
        if line not in self._redirects:
            raise CannotAsk("set webhooks.public_url first: the provider sends the subscriber's browser back there")
        state = unguessable()
        login = Login(self._lines[line].consent_url(self._redirects[line], state), state)
        before = self._open.get(line)
        if before is not None:
            before.end(Outcome(End.FAILED, "another login was begun for this line"))
        self._open[line] = login
        log.info("consent.asked", line=line)
        try:
            yield login
        finally:
            if self._open.get(line) is login:
                del self._open[line]

    async def outcome(self, line: str, login: Login, seconds: float) -> Outcome:
        """How a login ends; it times out after so many real seconds, unless a code is just being exchanged."""
        try:
            async with asyncio.timeout(seconds):
                return await login.ended()
        except TimeoutError:
            await self._settled(line)
            login.end(Outcome(End.TIMED_OUT, "nobody agreed in time"))
            return await login.ended()

    async def returned(self, line: str, query: Mapping[str, str]) -> Returned | None:
        """Take what a browser brought back; None where no login waits for one."""
        code, known = query.get("code"), self._exchanges[line] if line in self._lines else {}
        if code and code in known:
            return Returned((await asyncio.shield(known[code])).end)
        login = self._open.get(line)
        if login is None:
            return None
        state = query.get("state")
        # The provider need not send it back (wire facts, 1.6).
        if state and not hmac.compare_digest(state.encode("utf-8", "replace"), login.state.encode()):
            return Returned.FOREIGN
        if not code and "error" not in query:
            return Returned.EMPTY
        outcome = await self._exchanged(line, code) if code else _refusal(query)
        if not code:
            log.warning("consent.refused", line=line, policy="Refused")
        login.end(outcome)
        return Returned(outcome.end)

    async def standings(self) -> list[dict[str, Any]]:
        """How each line's consent stands, asking nobody."""
        return [{"line": alias, **await self._standing(alias)} for alias in self.lines]

    async def look(self) -> None:
        """Show on the board which lines have no consent."""
        for alias in self._lines:
            standing = await self._standing(alias)
            if not standing["given"]:
                self._board.report(alias, PART, LineState.CONSENT_REQUIRED, standing["reason"])

    async def revoke(self, line: str) -> None:
        """Give a line's consent back, and forget it; raises what the line raises."""
        try:
            await self._lines[line].revoke_consent()
        finally:
            await self.look()
        log.info("consent.revoked", line=line)

    async def aclose(self) -> None:
        """End the logins that wait, and see exchanges end."""
        for login in tuple(self._open.values()):
            login.end(Outcome(End.FAILED, "relay stopped"))
        for line in tuple(self._exchanges):
            await self._settled(line)

    async def _exchanged(self, line: str, code: str) -> Outcome:
        """Exchange a code in a task of its own: the browser that brought it may be gone before the answer is there."""
        known = self._exchanges[line]
        known[code] = task = asyncio.create_task(self._exchange(line, code), name=f"consent/{line}")
        while len(known) > REMEMBERED:
            known.popitem(last=False)
        return await asyncio.shield(task)

    async def _exchange(self, line: str, code: str) -> Outcome:
        try:
            found = await self._lines[line].take_consent(code, self._redirects[line])
        except RelayError as error:
            log.warning("consent.refused", line=line, policy=type(error).__name__)
            return Outcome(End.REFUSED if isinstance(error, Refused) else End.FAILED, error.problem.detail)
        except JournalError as error:
            log.error("consent.unkept", line=line, policy=type(error).__name__)
            return Outcome(End.FAILED, "the consent was given, and relay cannot keep it: see its log, and begin again")
        self._board.report(line, PART, LineState.READY)
        self._journal.ring(f"consent:{line}")
        log.info("consent.given", line=line)
        return Outcome(End.GIVEN, found)

    async def _settled(self, line: str) -> None:
        await asyncio.gather(*self._exchanges[line].values(), return_exceptions=True)

    async def _standing(self, alias: str) -> dict[str, Any]:
        standing = await self._lines[alias].consent()
        return {
            "given": standing.given,
            "since": _written(standing.since),
            "renewable_until": _written(standing.renewable_until),
            "reason": standing.reason,
        }


def _refusal(query: Mapping[str, str]) -> Outcome:
    words = " ".join((query.get("error_description") or query["error"]).split())
    shown = "".join(letter for letter in words if letter.isprintable())[:_LONGEST_WORDS]
    return Outcome(End.REFUSED, f"the provider said: {shown}" if shown else "the provider gave no reason")


def _written(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
