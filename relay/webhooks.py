"""What each line is to be called at, and what the provider has -> listed, installed, repaired or removed.

Where relay can install a line's web hooks, it does, and keeps them right until they are removed on purpose. Where it
cannot, it says which addresses a person has to register. Other people's hooks are listed, and left alone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

import structlog
from pydantic_core import from_json, to_json

from relay.domain.errors import RelayError
from relay.journal import Journal, Lease
from relay.lines import Doings
from relay.providerkit.hooks import Change, Install, Remove, Update, Wanted, host_of, is_right, matched, reconcile
from relay.providerkit.spec import InstalledHook, InstallsHooks, Line, TakesHooks

log = structlog.get_logger()

# Real seconds for one look with all that it mends. Among nodes it lasts no longer than the life of who has it.
LEASE = 900.0

_KEY = "hooks.standing"
_DONE = {Install: "installed", Update: "updated", Remove: "removed"}


class InstallingLine(Line, TakesHooks, InstallsHooks, Protocol):
    """A line whose web hooks relay installs."""


class HooksRefused(Exception):  # noqa: N818 - the name says who said no
    """What was asked cannot be done with this line's web hooks; the text says why, and what to do instead."""


class HookKeeper:
    """Looks after one line's web hooks at the provider.

    Args:
        line: the line.
        wanted: each event with each address that is to be called for it.
        prefixes: the beginnings of every address that is this line's, whatever its secret was.
        journal: remembers what was installed where, and whether it was removed on purpose; has the lease, by which
            nodes change a line's web hooks one after the other.
        node: in whose name; None: this life of this node.

    Attributes:
        stand: set once they stand, or it is not for this node to see to it.
    """

    def __init__(
        self,
        line: InstallingLine,
        wanted: Sequence[Wanted],
        prefixes: Sequence[str],
        *,
        journal: Journal,
        node: str | None = None,
    ) -> None:
        self.line = line
        self.stand = asyncio.Event()
        self._wanted = wanted
        self._prefixes = frozenset(prefixes)
        self._memory = journal.memory(line.alias)
        self._leases = journal.leases
        self._ring = partial(journal.ring, f"hooks:{line.alias}")
        self._owner = node or journal.owner
        self._lease: Lease | None = None
        self._one_at_a_time = asyncio.Lock()

    async def mend(self) -> Sequence[Change] | None:
        """Make right what is not, and say what; None where it is not for this node to do.

        That is so once they were removed on purpose, and while another node is at them.
        """
        async with self._one_at_a_time, self._held() as is_held:
            standing = await self._standing()
            its_turn = is_held and not standing["removed"]
            changes = await self._bring_about(self._wanted, standing["prefixes"]) if its_turn else None
            self.stand.set()
            return changes

    async def install(self) -> Sequence[Change]:
        """Install what is missing, mend what is wrong, and keep it so from now on."""
        return await self._asked(self._wanted)

    async def repair(self) -> Sequence[Change]:
        """Mend what is wrong at once; raises HooksRefused where they were removed on purpose."""
        if (await self._standing())["removed"]:
            raise HooksRefused("its web hooks were removed on purpose; put them back with: relay webhooks install")
        return await self._asked(self._wanted)

    async def remove(self) -> Sequence[Change]:
        """Remove every hook of this line's, and put none back until `install` is asked for."""
        return await self._asked((), removed=True)

    async def look(self) -> list[dict[str, Any]]:
        """Each hook that is wanted or there, as a row; raises what the provider's line raises."""
        prefixes = self._prefixes | (await self._standing())["prefixes"]
        installed = await self.line.list_hooks()
        own = [hook for hook in installed if _is_below(prefixes, hook.url)]
        kept = matched(own, self._wanted)
        rows = [_wanted_row(each, kept.get(each)) for each in self._wanted]
        taken = {hook.provider_id for hook in kept.values()}
        rows += [_row(hook, "wrong") for hook in own if hook.provider_id not in taken]
        return rows + [_row(hook, "foreign") for hook in installed if not _is_below(prefixes, hook.url)]

    def unseen(self, why: str) -> list[dict[str, Any]]:
        """The rows of a line whose provider cannot be asked."""
        return [_of(event, url, None, "unknown", reason=why) for event, url in self._wanted]

    async def _asked(self, wanted: Sequence[Wanted], *, removed: bool = False) -> Sequence[Change]:
        async with self._one_at_a_time, self._held() as is_held:
            if not is_held:
                raise HooksRefused("another node is just at its web hooks: ask again in a minute")
            standing = await self._standing()
            try:
                return await self._bring_about(wanted, standing["prefixes"], removed=removed)
            finally:
                self._ring()

    async def _bring_about(
        self, wanted: Sequence[Wanted], before: frozenset[str], *, removed: bool = False
    ) -> Sequence[Change]:
        """Remember first what is about to be installed, so that it is known as ours for as long as it is there."""
        prefixes = self._prefixes | before
        await self._remember(prefixes, removed=removed)
        installed = await self.line.list_hooks()
        changes = reconcile(installed, wanted, lambda url: _is_below(prefixes, url))
        for place, change in enumerate(changes):
            if not await self._still_held():
                return changes[:place]
            await self._make(change)
        await self._remember(self._prefixes, removed=removed)
        return changes

    async def _make(self, change: Change) -> None:
        match change:
            case Install():
                await self.line.install_hook(change.event, change.url)
            case Update():
                await self.line.update_hook(change.provider_id, change.url)
            case Remove():
                await self.line.remove_hook(change.provider_id)

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[bool]:
        """Whether no other node changes them for the length of the block."""
        self._lease = await self._leases.acquire(f"hooks/{self.line.alias}", self._owner, LEASE)
        try:
            yield self._lease is not None
        finally:
            held, self._lease = self._lease, None
            if held is not None:
                await self._leases.release(held)

    async def _still_held(self) -> bool:
        self._lease = await self._leases.renew(self._lease, LEASE) if self._lease else None
        return self._lease is not None

    async def _standing(self) -> dict[str, Any]:
        kept = from_json(await self._memory.get(_KEY) or b"{}")
        return {"removed": kept.get("removed", False), "prefixes": frozenset(kept.get("prefixes", ()))}

    async def _remember(self, prefixes: frozenset[str], *, removed: bool) -> None:
        if await self._standing() != {"removed": removed, "prefixes": prefixes}:
            await self._memory.put(_KEY, to_json({"removed": removed, "prefixes": sorted(prefixes)}))


class Webhooks:
    """Every line's web hooks, and everything else that has to be registered at a provider.

    Args:
        keepers: of the lines whose hooks relay installs.
        by_hand: what a person has to register for the other lines.
        doings: what is done with lines meanwhile.
    """

    def __init__(
        self,
        keepers: Mapping[str, HookKeeper],
        by_hand: Mapping[str, Sequence[Wanted]],
        doings: Doings | None = None,
    ) -> None:
        self._doings = doings or Doings()
        self._keepers = keepers
        self._by_hand = by_hand

    async def rows(self) -> list[dict[str, Any]]:
        """Every line's, as rows of `line`, `event`, `url`, `provider_id`, `state`. Addresses hold secrets.

        `state`: `ok`, `missing`, `wrong`, `foreign`, `by-hand`, or `unknown` (with `reason`) where the provider
        cannot be asked.
        """
        aliases = list(self._keepers)
        looks = await asyncio.gather(*(self._look(alias) for alias in aliases))
        found = dict(zip(aliases, looks, strict=True))
        for alias, wanted in self._by_hand.items():
            found[alias] = [*found.get(alias, ()), *(_of(event, url, None, "by-hand") for event, url in wanted)]
        return [{"line": alias, **row} for alias in sorted(found) for row in found[alias]]

    async def install(self, alias: str) -> list[dict[str, str]]:
        """Install a line's hooks; what was done. Raises HooksRefused, and what the provider's line raises."""
        return await self._do(alias, HookKeeper.install)

    async def repair(self, alias: str) -> list[dict[str, str]]:
        """Repair a line's hooks; as above."""
        return await self._do(alias, HookKeeper.repair)

    async def remove(self, alias: str) -> list[dict[str, str]]:
        """Remove a line's hooks; as above."""
        return await self._do(alias, HookKeeper.remove)

    async def _do(self, alias: str, act: Callable[[HookKeeper], Awaitable[Sequence[Change]]]) -> list[dict[str, str]]:
        async with self._doings.on(alias):
            changes = await act(self._keeper(alias))
        log.info("hooks.changed", line=alias, changes=len(changes))
        return told(changes)

    def _keeper(self, alias: str) -> HookKeeper:
        keeper = self._keepers.get(alias)
        if keeper is None and alias in self._by_hand:
            raise HooksRefused("it is registered by hand at the provider: relay webhooks list prints the addresses")
        if keeper is None:
            raise HooksRefused("there is no such line, or the provider does not call it")
        return keeper

    async def _look(self, alias: str) -> list[dict[str, Any]]:
        async with self._doings.on(alias):
            keeper = self._keepers.get(alias)
            if keeper is None:  # it has gone meanwhile
                return []
            try:
                return await keeper.look()
            except RelayError as error:
                return keeper.unseen(error.problem.detail)


def told(changes: Sequence[Change]) -> list[dict[str, str]]:
    """What was done, without the addresses: they hold the secret."""
    return [{"hook": change.event, "host": host_of(change.url), "repair": _DONE[type(change)]} for change in changes]


def _is_below(prefixes: frozenset[str], url: str) -> bool:
    return url.startswith(tuple(prefixes))


def _wanted_row(wanted: Wanted, hook: InstalledHook | None) -> dict[str, Any]:
    event, url = wanted
    if hook is None:
        return _of(event, url, None, "missing")
    return _row(hook, "ok" if is_right(hook, url) else "wrong")


def _row(hook: InstalledHook, state: str) -> dict[str, Any]:
    return _of(hook.event, hook.url, hook.provider_id, state)


def _of(event: str, url: str, provider_id: str | None, state: str, reason: str | None = None) -> dict[str, Any]:
    return {"event": event, "url": url, "provider_id": provider_id, "state": state, "reason": reason}
