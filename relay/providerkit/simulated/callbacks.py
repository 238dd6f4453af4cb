"""event -> a customer's listener: POSTs JSON, and again with growing waits until it is taken or 72 hours are over.

"Typically the retry period is 72 hours after which the message will be discarded" (SMS documentation, Receive SMS);
how long the waits between are is not documented.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from pydantic import Field

from relay.providerkit.simulated.modes import Modes
from relay.providerkit.simulated.world import World

_FIRST_RETRY = 10.0
_RETRY_CEILING = 600.0
_HORIZON = 72 * 3600.0
_DUPLICATE_AFTER = 2.0
_CONNECTIONS = 64


class CallbackModes(Modes):
    """How callbacks go out; a service's own modes begin with these."""

    hook_timeout: float = Field(default=10, gt=0)  # real seconds that a listener has
    duplicate: float = Field(default=0, ge=0, le=1)  # the probability that one comes twice


def _nothing() -> None:
    """What follows where nothing has to."""


@dataclass(slots=True)
class Callback:
    """One event on its way to one listener.

    Attributes:
        url: where to.
        payload: the body, as it was when the event happened.
        facts: for the ledger's lines: service, line, event and what tells it apart.
        taken: called at the first 2xx.
        lost: called when it is given up.
        is_duplicate: sent once more without need, and not retried.
    """

    url: str
    payload: Mapping[str, Any]
    facts: Mapping[str, Any]
    taken: Callable[[], None] = _nothing
    lost: Callable[[], None] = _nothing
    is_duplicate: bool = False
    since: float = 0
    attempts: int = 0


class Callbacks:
    """Makes the requests while `run` runs; writes each down as `hook`, and what is given up as `hook-lost`."""

    def __init__(self, world: World, modes: CallbackModes) -> None:
        self._world = world
        self._modes = modes
        self._session: aiohttp.ClientSession
        self._group: asyncio.TaskGroup | None = None
        self._waiting: list[Callback] = []

    async def run(self) -> None:
        """Be open for business, until cancelled; what is under way then is cancelled too."""
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session, asyncio.TaskGroup() as group:
            self._session, self._group = session, group
            for callback in self._waiting:
                self._start(callback)
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None

    def post(self, callback: Callback) -> asyncio.Task[None] | None:
        """Begin to deliver; gives the first attempt, which nobody has to wait for. None where `run` has not begun."""
        callback.since = self._world.now()
        if self._world.ids.chance.random() < self._modes.duplicate:
            again = replace(callback, is_duplicate=True, taken=_nothing, lost=_nothing)
            self._world.agenda.after(_DUPLICATE_AFTER, lambda: self._start(again))
        return self._start(callback)

    def _start(self, callback: Callback) -> asyncio.Task[None] | None:
        if self._group is None:
            self._waiting.append(callback)
            return None
        return self._group.create_task(self._attempt(callback))

    async def _attempt(self, callback: Callback) -> None:
        with self._world.held():
            callback.attempts += 1
            result = await self._result(callback)
            self._record("hook", callback, result=result)
            if isinstance(result, int) and 200 <= result < 300:  # noqa: PLR2004 - the class of success
                callback.taken()
            elif not callback.is_duplicate:
                self._retry(callback)

    async def _result(self, callback: Callback) -> int | str:
        timeout = aiohttp.ClientTimeout(total=self._modes.hook_timeout)
        try:
            async with self._session.post(
                callback.url, json=callback.payload, allow_redirects=False, timeout=timeout
            ) as answer:
                return answer.status
        except TimeoutError:
            return "timeout"
        except (aiohttp.ClientError, OSError, ValueError):
            return "no connection"

    def _retry(self, callback: Callback) -> None:
        wait = min(_FIRST_RETRY * 2 ** (callback.attempts - 1), _RETRY_CEILING)
        when = self._world.now() + wait
        if when - callback.since > _HORIZON:
            self._record("hook-lost", callback)
            callback.lost()
        else:
            self._world.agenda.at(when, lambda: self._start(callback))

    def _record(self, what: str, callback: Callback, **more: Any) -> None:
        facts = {**callback.facts, "url": callback.url, "attempt": callback.attempts, **more}
        self._world.ledger.record(what, facts)
