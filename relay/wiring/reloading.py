"""SIGHUP, or `relay reload` -> the settings are read again, judged as a whole, and what can be taken is taken.

One at a time: who asks while one is under way is answered by the next one, which begins after it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from relay.journal import Bell
from relay.settings import BadSettings, SettingProblem, Settings
from relay.settings.difference import Difference
from relay.stagekit import EitherBell
from relay.telemetry.notify import Notifier
from relay.wiring.exchange import Exchange
from relay.wiring.judging import judged

log = structlog.get_logger()

# Real seconds until systemd is told that it is done, whatever calls are waited for still: it waits for 90.
TOLD_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Again:
    """How settings are read again.

    Attributes:
        read: reads them, as at the start; raises BadSettings. It runs in a thread.
        asked: rings when a signal asks for it.
    """

    read: Callable[[], Settings]
    asked: Bell


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of it.

    Attributes:
        outcome: `refused`: nothing was changed, because of `problems`; `unchanged`, `taken`: as far as it could be.
        difference: what was different; `others` are taken at the next start.
        problems: what is wrong with the settings.
    """

    outcome: Literal["taken", "unchanged", "refused"]
    difference: Difference = field(default_factory=Difference)
    problems: Sequence[SettingProblem] = ()

    def as_body(self) -> dict[str, Any]:
        """As `relay reload` is told."""
        found = self.difference
        return {
            "outcome": self.outcome,
            "added": list(found.added),
            "removed": list(found.removed),
            "changed": list(found.changed),
            "needs_restart": list(found.others),
            "problems": [
                {"where": one.where, "key": one.key, "what": one.what, "cure": one.cure} for one in self.problems
            ],
        }


class Reloader:
    """Reloads.

    Args:
        again: how they are read.
        exchange: what exchanges lines.
        notifier: tells systemd.
    """

    def __init__(self, again: Again, exchange: Exchange, notifier: Notifier) -> None:
        self._again = again
        self._exchange = exchange
        self._notifier = notifier
        self._asked = Bell()
        self._waiting: list[asyncio.Future[Reloaded]] = []

    async def reload(self) -> dict[str, Any]:
        """What came of a reload that began after this was called, as a body."""
        answer: asyncio.Future[Reloaded] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._asked.ring()
        return (await answer).as_body()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reload whenever it is asked for, until the block is left."""
        task = asyncio.create_task(self._run(), name="reloader")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for answer in self._waiting:
                answer.cancel()

    async def _run(self) -> None:
        bell = EitherBell(self._asked, self._again.asked)
        while True:
            await bell.wait()
            await self._answer_all()

    async def _answer_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        reload = asyncio.ensure_future(self._told())
        try:
            await asyncio.wait({reload})
        except asyncio.CancelledError:
            self._again.asked.ring()  # where relay does not stop, but begins a new life, that one begins it anew
            raise
        finally:
            reload.cancel()
            await asyncio.gather(reload, return_exceptions=True)
            for answer in waiting:
                _settle(answer, reload)
        if reload.exception() is not None:
            log.critical("reload.failed", exc_info=reload.exception())
            self._notifier.ready()

    async def _told(self) -> Reloaded:
        """Reload, with systemd told when it begins and when it has ended."""
        self._notifier.reloading()
        ending = asyncio.get_running_loop().call_later(TOLD_WITHIN, self._notifier.ready)
        try:
            found = await self._reload()
        except BadSettings as bad:
            found = Reloaded("refused", problems=tuple(bad.problems))
            log.error("reload.refused", problems=[str(problem) for problem in bad.problems])
        finally:
            ending.cancel()
        self._notifier.status(_sentence(found))
        self._exchange.status.tell_again()
        self._notifier.ready()
        return found

    async def _reload(self) -> Reloaded:
        wanted = await asyncio.to_thread(self._again.read)
        plan = await judged(self._exchange.base, wanted)
        found = plan.difference
        self._exchange.status.needs_restart(found.others)
        log.info("reload.begun", added=list(found.added), removed=list(found.removed), changed=list(found.changed))
        if found.others:
            log.warning("reload.needs_restart", keys=list(found.others))
        await self._exchange.make(plan)
        log.info("reload.done", lines=len(self._exchange.base.lines))
        return Reloaded("taken" if found.has_lines else "unchanged", found)


def _settle(answer: "asyncio.Future[Reloaded]", reload: "asyncio.Future[Reloaded]") -> None:
    if answer.done():
        return
    if reload.cancelled() or reload.exception() is not None:
        answer.cancel()
    else:
        answer.set_result(reload.result())


def _sentence(found: Reloaded) -> str:
    if found.outcome == "refused":
        return f"reload refused, the settings from before stay: {found.problems[0]}"
    restart = f"; at the next start: {', '.join(found.difference.others)}" if found.difference.others else ""
    return f"reloaded{restart}"
