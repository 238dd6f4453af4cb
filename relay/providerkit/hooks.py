"""The web hooks that are installed and those that are wanted -> what has to be changed at the provider. Pure.

One hook an event: a second one makes the provider deliver twice (wire facts, 4.5).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from relay.providerkit.spec import InstalledHook

TAKEN_METHODS = frozenset({"POST", "PUT"})


@dataclass(frozen=True, slots=True)
class Install:
    """A web hook is missing. The address holds a secret."""

    event: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Update:
    """A web hook is ours and points elsewhere, or calls with a method that is not taken."""

    provider_id: str
    event: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Remove:
    """A web hook is ours and one too many."""

    provider_id: str
    event: str


Change = Install | Update | Remove


def reconcile(
    installed: Sequence[InstalledHook], wanted: Mapping[str, str], ours: Callable[[str], bool]
) -> list[Change]:
    """What to change so that each wanted event has exactly one hook of ours, and no other event has one.

    Removals come last, so that no event is without a hook in between.

    Args:
        installed: every hook of the account.
        wanted: the address for each event.
        ours: whether an address belongs to this line, whatever its secret; all other hooks are left alone.
    """
    own = [hook for hook in installed if ours(hook.url)]
    kept = {event: _best(event, url, own) for event, url in wanted.items()}
    mended = [_mended(event, url, kept[event]) for event, url in wanted.items()]
    stay = {hook.provider_id for hook in kept.values() if hook}
    strays = [Remove(hook.provider_id, hook.event) for hook in own if hook.provider_id not in stay]
    return [*(change for change in mended if change), *strays]


def is_right(hook: InstalledHook, url: str) -> bool:
    """Whether the hook calls `url` with a method that is taken."""
    return hook.url == url and hook.method in TAKEN_METHODS


def _best(event: str, url: str, own: Sequence[InstalledHook]) -> InstalledHook | None:
    """The hook to keep for `event`: one that is right already, else the first."""
    of_event = [hook for hook in own if hook.event == event]
    return min(of_event, key=lambda hook: not is_right(hook, url), default=None)


def _mended(event: str, url: str, hook: InstalledHook | None) -> Install | Update | None:
    if hook is None:
        return Install(event, url)
    return None if is_right(hook, url) else Update(hook.provider_id, event, url)
