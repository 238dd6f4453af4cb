"""A subscriber's consent: somebody asks for it, a browser brings it back, the line keeps it.

`relay auth login` opens a login and waits; the provider sends the subscriber's browser back to the line's consent
address with a code; the line exchanges it. The page has been seen sending the browser twice with the same code, whose
second exchange would fail (wire facts, 1.6): the last codes are remembered, each with what came of it.

The browser may come back to another node than the one that asked: logins and codes are kept in the journal, and the
bell `consent:<line>` tells every node of a change.
"""

import asyncio
import hmac
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import structlog

from relay.clock import Clock, SystemClock
from relay.consentlogins import REMEMBERED, End, KeptLogin, KeptLogins, Outcome
from relay.domain.errors import Refused, RelayError
from relay.ids import unguessable
from relay.journal import Bell, Journal, JournalError
from relay.lines import Doings
from relay.providerkit.spec import Line, NeedsConsent
from relay.telemetry.health import LineBoard, LineState

log = structlog.get_logger()

LONGEST = 86_400.0  # seconds that a login waits
LOOK_AGAIN = 5.0  # real seconds between two looks at what came of a login elsewhere, if no bell rings
_LONGEST_WORDS = 200  # characters of the provider's own that are shown

PART = "consent"  # of a line, on the board


class ConsentingLine(Line, NeedsConsent, Protocol):
    """A line that works only while its subscriber agrees."""


class CannotAsk(Exception):  # noqa: N818 - the name says what cannot be
    """A login cannot be begun; the text says why, and what to do first."""


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
        real: real time, in which logins wait; None: the machine's.
        node: in whose name codes are exchanged; None: this life of this node.
        doings: what is done with lines meanwhile.
    """

    def __init__(  # noqa: PLR0913 - what consents stand on, and what tests put in its place
        self,
        lines: Mapping[str, ConsentingLine],
        redirects: Mapping[str, str],
        *,
        journal: Journal,
        board: LineBoard,
        real: Clock | None = None,
        node: str | None = None,
        doings: Doings | None = None,
    ) -> None:
        self._lines = lines
        self._redirects = redirects
        self._journal = journal
        self._board = board
        self._real, self._node = real or SystemClock(), node or journal.owner
        self._doings = doings or Doings()
        self._logins: dict[str, KeptLogins] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._open: dict[str, Login] = {}
        self._exchanges: defaultdict[str, OrderedDict[str, asyncio.Task[Outcome]]] = defaultdict(OrderedDict)

    @property
    def lines(self) -> Sequence[str]:
        """The lines that need consent."""
        return sorted(self._lines)

    def __contains__(self, line: object) -> bool:
        return line in self._lines

    async def begin(self) -> None:
        """Show on the board which lines have no consent, now and whenever another node changes that."""
        for line in self._lines:
            try:
                await self.come(line)
            except JournalError as error:  # the next ring shows it
                log.warning("consent.unread", line=line, policy=type(error).__name__)

    async def come(self, line: str) -> None:
        """Show how the consent of a line stands that has come, or has changed; nothing where it needs none."""
        self._end_watch(line)
        if line in self._lines:
            self._watches[line] = asyncio.create_task(self._watch(line, self._bell(line)), name=f"consents/{line}")
            await self._show(line)

    async def go(self, line: str) -> None:
        """End the logins of a line that is going."""
        self._end_watch(line)
        if line in self._open:
            self._open[line].end(_GONE)
        await self._settled(line)

    def _end_watch(self, line: str) -> None:
        watch = self._watches.pop(line, None)
        if watch is not None:
            watch.cancel()

    def _kept(self, line: str) -> KeptLogins:
        if line not in self._logins:
            self._logins[line] = KeptLogins(self._journal.memory(line), self._real, self._node)
        return self._logins[line]

    @asynccontextmanager
    async def login(self, line: str, seconds: float = LONGEST) -> AsyncIterator[Login]:
        """Wait for a browser as long as the block lasts; another login of the same line ends this one.

        Args:
            line: whose subscriber is asked.
            seconds: until when a browser is taken even if this node is gone.

        Raises:
            CannotAsk: the provider has nowhere to send the browser back to.
            JournalError: the login cannot be kept.
        """
        if line not in self._redirects:
            raise CannotAsk("set webhooks.public_url first: the provider sends the subscriber's browser back there")
        state = unguessable()
        login = Login(self._lines[line].consent_url(self._redirects[line], state), state)
        await self._kept(line).begin(state, seconds)
        before = self._open.get(line)
        if before is not None:
            before.end(_REPLACED)
        self._open[line] = login
        self._ring(line)
        log.info("consent.asked", line=line)
        following = asyncio.create_task(self._follow(line, login), name=f"consent/{line}/login")
        try:
            yield login
        finally:
            following.cancel()
            await asyncio.wait([following])
            if self._open.get(line) is login:
                del self._open[line]
            await self._closed(line, login)

    async def outcome(self, line: str, login: Login, seconds: float) -> Outcome:
        """How a login ends; it times out after so many real seconds, unless a code is just being exchanged."""
        try:
            async with asyncio.timeout(seconds):
                return await login.ended()
        except TimeoutError:
            await self._settled(line)
            await self._settled_elsewhere(line, login)
            login.end(Outcome(End.TIMED_OUT, "nobody agreed in time"))
            return await login.ended()

    async def returned(self, line: str, query: Mapping[str, str]) -> Returned | None:
        """Take what a browser brought back; None where no login waits for one."""
        if line not in self._lines:
            return None
        try:
            return await self._taken(line, query)
        except JournalError as error:
            log.warning("consent.unread", line=line, policy=type(error).__name__)
            return Returned.FAILED

    async def _taken(self, line: str, query: Mapping[str, str]) -> Returned | None:
        code, known = query.get("code"), self._exchanges[line]
        if code and (code in known or await self._kept(line).knows(code)):
            before = asyncio.shield(known[code]) if code in known else self._came_of(line, code)
            return Returned((await before).end)
        login = await self._kept(line).newest()
        if login is None or login.outcome is not None:
            return None
        state = query.get("state")
        # The provider need not send it back (wire facts, 1.6).
        if state and not hmac.compare_digest(state.encode("utf-8", "replace"), login.state.encode()):
            return Returned.FOREIGN
        if not code and "error" not in query:
            return Returned.EMPTY
        if code:
            return Returned((await self._exchanged(line, code, login)).end)
        log.warning("consent.refused", line=line, policy="Refused")
        outcome = _refusal(query)
        await self._end(line, login, outcome)
        return Returned(outcome.end)

    async def standings(self) -> list[dict[str, Any]]:
        """How each line's consent stands, asking nobody."""
        return [{"line": alias, **await self._standing(alias)} for alias in self.lines if alias in self._lines]

    async def look(self) -> None:
        """Show on the board which lines have no consent."""
        for alias in self._lines:
            if alias in self._lines:  # still
                await self._show(alias)

    async def _show(self, alias: str, *, may_be_given: bool = False) -> None:
        standing = await self._standing(alias)
        if not standing["given"]:
            self._board.report(alias, PART, LineState.CONSENT_REQUIRED, standing["reason"])
        elif may_be_given:
            self._board.report(alias, PART, LineState.READY)

    async def revoke(self, line: str) -> None:
        """Give a line's consent back, and forget it; raises what the line raises."""
        try:
            async with self._doings.on(line):
                if line not in self._lines:
                    raise CannotAsk("the line was taken out of relay's settings")
                await self._lines[line].revoke_consent()
        finally:
            await self.look()
            self._ring(line)
        log.info("consent.revoked", line=line)

    async def aclose(self) -> None:
        """End the logins that wait, and see exchanges end."""
        watches = list(self._watches.values())
        for watch in watches:
            watch.cancel()
        for login in tuple(self._open.values()):
            login.end(Outcome(End.FAILED, "relay stopped"))
        for line in tuple(self._exchanges):
            await self._settled(line)
        if watches:
            await asyncio.wait(watches)

    async def _exchanged(self, line: str, code: str, login: KeptLogin) -> Outcome:
        """Exchange a code in a task of its own: the browser that brought it may be gone before the answer is there."""
        known = self._exchanges[line]
        known[code] = task = asyncio.create_task(self._exchange(line, code, login), name=f"consent/{line}")
        while len(known) > REMEMBERED:
            known.popitem(last=False)
        return await asyncio.shield(task)

    async def _exchange(self, line: str, code: str, login: KeptLogin) -> Outcome:
        if not await self._kept(line).take(code):
            return await self._came_of(line, code)
        outcome = await self._consented(line, code)
        try:
            await self._kept(line).settle(code, outcome)
        finally:
            await self._end(line, login, outcome)
        return outcome

    async def _consented(self, line: str, code: str) -> Outcome:
        try:
            async with self._doings.on(line):
                if line not in self._lines:
                    return _GONE
                found = await self._lines[line].take_consent(code, self._redirects[line])
        except RelayError as error:
            log.warning("consent.refused", line=line, policy=type(error).__name__)
            return Outcome(End.REFUSED if isinstance(error, Refused) else End.FAILED, error.problem.detail)
        except JournalError as error:
            log.error("consent.unkept", line=line, policy=type(error).__name__)
            return Outcome(End.FAILED, "the consent was given, and relay cannot keep it: see its log, and begin again")
        self._board.report(line, PART, LineState.READY)
        log.info("consent.given", line=line)
        return Outcome(End.GIVEN, found)

    async def _end(self, line: str, login: KeptLogin, outcome: Outcome) -> None:
        """End a login, for whoever waits for it on whichever node."""
        mine = self._open.get(line)
        if mine is not None and mine.state == login.state:
            mine.end(outcome)
        try:
            await self._kept(line).end(login.state, outcome)
        finally:
            self._ring(line)

    async def _came_of(self, line: str, code: str) -> Outcome:
        """What came of a code that was brought before."""
        bell = self._bell(line)
        while (outcome := await self._kept(line).came_of(code)) is None:
            await _rung(bell)
        return outcome

    async def _follow(self, line: str, login: Login) -> None:
        """See a login end that ends on another node."""
        bell = self._bell(line)
        while True:
            await _rung(bell)
            try:
                newest = await self._kept(line).newest()
            except JournalError as error:
                log.warning("consent.unread", line=line, policy=type(error).__name__)
                continue
            if newest is not None and newest.state != login.state:
                login.end(_REPLACED)
            elif newest is not None and newest.outcome is not None:
                login.end(newest.outcome)

    async def _watch(self, line: str, bell: Bell) -> None:
        """Show how a line's consent stands, whenever that may have changed."""
        while True:
            await bell.wait()
            if line not in self._lines:
                return  # it is going
            try:
                await self._show(line, may_be_given=True)
            except JournalError as error:
                log.warning("consent.unread", line=line, policy=type(error).__name__)

    async def _settled_elsewhere(self, line: str, login: Login) -> None:
        """Wait for the end of an exchange on another node, which ends the login."""
        bell, kept = self._bell(line), self._kept(line)
        try:
            while await kept.is_exchanging():
                await _rung(bell)
            newest = await kept.newest()
        except JournalError as error:
            log.warning("consent.unread", line=line, policy=type(error).__name__)
            return
        if newest is not None and newest.state == login.state and newest.outcome is not None:
            login.end(newest.outcome)

    async def _closed(self, line: str, login: Login) -> None:
        try:
            await self._kept(line).close(login.state)
        except JournalError as error:
            # Its time will be over.
            log.warning("consent.unclosed", line=line, policy=type(error).__name__)

    def _bell(self, line: str) -> Bell:
        return self._journal.listen(f"consent:{line}")

    def _ring(self, line: str) -> None:
        self._journal.ring(f"consent:{line}")

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


_GONE = Outcome(End.FAILED, "the line was taken out of relay's settings")
_REPLACED = Outcome(End.FAILED, "another login was begun for this line")


async def _rung(bell: Bell) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_AGAIN):
            await bell.wait()


def _refusal(query: Mapping[str, str]) -> Outcome:
    words = " ".join((query.get("error_description") or query["error"]).split())
    shown = "".join(letter for letter in words if letter.isprintable())[:_LONGEST_WORDS]
    return Outcome(End.REFUSED, f"the provider said: {shown}" if shown else "the provider gave no reason")


def _written(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
