"""A line's login, in the journal: begun on one node, brought back by the browser to any of them, ended once.

The codes that came back are remembered by their hashes, each with what came of it: a code works once, whichever node
it is brought to.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from pydantic_core import from_json, to_json

from relay.clock import Clock
from relay.journal import Memory

REMEMBERED = 10  # codes a line

_KEY = "consent.login"
_ABANDONED = timedelta(minutes=2)  # an exchange takes no longer: whoever was at it is gone


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


ABANDONED = Outcome(End.FAILED, "relay stopped while it took the consent: begin again")


@dataclass(frozen=True, slots=True)
class KeptLogin:
    """The login that was begun last; `outcome` is None until it has ended."""

    state: str = field(repr=False)
    outcome: Outcome | None


class KeptLogins:
    """One line's logins, and the codes that they brought.

    Args:
        memory: the line's.
        clock: real time.
        node: this life of this node, which exchanges the codes that it takes.
    """

    def __init__(self, memory: Memory, clock: Clock, node: str) -> None:
        self._memory = memory
        self._clock = clock
        self._node = node

    async def begin(self, state: str, seconds: float) -> None:
        """Begin a login that may end within so many seconds; it takes the place of any other."""
        until = self._clock.now() + timedelta(seconds=seconds)

        def change(kept: dict[str, Any]) -> bool:
            kept["login"] = {"state": state, "until": until.isoformat()}
            return True

        await self._change(change)

    async def newest(self) -> KeptLogin | None:
        """The login that was begun last, ended or not; None once it was closed, or its time is over."""
        login = _read(await self._memory.get(_KEY)).get("login")
        if not login or datetime.fromisoformat(login["until"]) <= self._clock.now():
            return None
        return KeptLogin(login["state"], _outcome(login))

    async def end(self, state: str, outcome: Outcome) -> None:
        """End the login of this state, if it is the newest and has not ended."""

        def change(kept: dict[str, Any]) -> bool:
            login = kept.get("login")
            if not login or login["state"] != state or "end" in login:
                return False
            login.update(_words(outcome))
            return True

        await self._change(change)

    async def close(self, state: str) -> None:
        """Nobody waits for the login of this state any more."""

        def change(kept: dict[str, Any]) -> bool:
            if (kept.get("login") or {}).get("state") != state:
                return False
            del kept["login"]
            return True

        await self._change(change)

    async def take(self, code: str) -> bool:
        """Whether this node is the first that has the code, and so the one that exchanges it."""
        taken = {"code": _digest(code), "by": self._node, "at": self._clock.now().isoformat()}

        def change(kept: dict[str, Any]) -> bool:
            codes = kept.setdefault("codes", [])
            if any(one["code"] == taken["code"] for one in codes):
                return False
            kept["codes"] = [*codes, taken][-REMEMBERED:]
            return True

        return await self._change(change)

    async def settle(self, code: str, outcome: Outcome) -> None:
        """Remember what came of a code that this node took."""
        digest = _digest(code)

        def change(kept: dict[str, Any]) -> bool:
            mine = [one for one in kept.get("codes", ()) if one["code"] == digest]
            for one in mine:
                one.update(_words(outcome))
            return bool(mine)

        await self._change(change)

    async def knows(self, code: str) -> bool:
        """Whether some node has taken the code."""
        digest = _digest(code)
        return any(one["code"] == digest for one in await self._codes())

    async def came_of(self, code: str) -> Outcome | None:
        """What came of a code; None while it is being exchanged."""
        digest = _digest(code)
        found = [one for one in await self._codes() if one["code"] == digest]
        return self._ended(found[0]) if found else ABANDONED

    async def is_exchanging(self) -> bool:
        """Whether some node is just exchanging a code."""
        return any(self._ended(one) is None for one in await self._codes())

    def _ended(self, code: dict[str, Any]) -> Outcome | None:
        is_abandoned = self._clock.now() - datetime.fromisoformat(code["at"]) > _ABANDONED
        return _outcome(code) or (ABANDONED if is_abandoned else None)

    async def _codes(self) -> list[dict[str, Any]]:
        codes: list[dict[str, Any]] = _read(await self._memory.get(_KEY)).get("codes", [])
        return codes

    async def _change(self, change: Callable[[dict[str, Any]], bool]) -> bool:
        """Change what is kept as `change` does, which says whether there is anything to change; gives its word."""
        there = await self._memory.get(_KEY)
        while True:
            kept = _read(there)
            if not change(kept):
                return False
            fresh = to_json(kept)
            there = await self._memory.swap(_KEY, there, fresh)
            if there == fresh:
                return True


def _read(kept: bytes | None) -> dict[str, Any]:
    found: dict[str, Any] = from_json(kept or b"{}")
    return found


def _words(outcome: Outcome) -> dict[str, str]:
    return {"end": outcome.end.value, "detail": outcome.detail}


def _outcome(kept: dict[str, Any]) -> Outcome | None:
    return Outcome(End(kept["end"]), kept["detail"]) if "end" in kept else None


def _digest(code: str) -> str:
    return sha256(code.encode("utf-8", "replace")).hexdigest()
