"""The web hooks that are installed and those that are wanted -> what has to be changed at the provider. Pure.

One hook an event and address: a second one makes the provider deliver twice (wire facts, 4.5).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from relay.providerkit.spec import InstalledHook

TAKEN_METHODS = frozenset({"POST", "PUT"})

Wanted = tuple[str, str]  # an event, and an address that is to be called for it; the address holds a secret


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
    url: str = field(repr=False)


Change = Install | Update | Remove


def reconcile(
    installed: Sequence[InstalledHook], wanted: Sequence[Wanted], ours: Callable[[str], bool]
) -> list[Change]:
    """What to change so that each wanted event and address has exactly one hook, and nothing else of ours is there.

    Removals come last, so that no event is without a hook in between.

    Args:
        installed: every hook of the account.
        wanted: each event with each address that is to be called for it.
        ours: whether an address belongs to this line, whatever its secret; all other hooks are left alone.
    """
    own = [hook for hook in installed if ours(hook.url)]
    kept = matched(own, wanted)
    mended = [_mended(each, kept.get(each)) for each in wanted]
    stay = {hook.provider_id for hook in kept.values()}
    strays = [Remove(hook.provider_id, hook.event, hook.url) for hook in own if hook.provider_id not in stay]
    return [*(change for change in mended if change), *strays]


def matched(own: Sequence[InstalledHook], wanted: Sequence[Wanted]) -> Mapping[Wanted, InstalledHook]:
    """The hook to keep for each that is wanted: one that is right already, else the nearest one of its event."""
    free = list(own)
    found: dict[Wanted, InstalledHook] = {}
    for is_near in (is_right, _has_address, _has_host, _has_any):
        for event, url in wanted:
            near = (hook for hook in free if hook.event == event and is_near(hook, url))
            if (event, url) not in found and (hook := next(near, None)):
                found[event, url] = hook
                free.remove(hook)
    return found


def is_right(hook: InstalledHook, url: str) -> bool:
    """Whether the hook calls `url` with a method that is taken."""
    return hook.url == url and hook.method in TAKEN_METHODS


def host_of(url: str) -> str:
    """The host and port of an address, which may be shown: the rest of it holds a secret."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _has_address(hook: InstalledHook, url: str) -> bool:
    return hook.url == url


def _has_host(hook: InstalledHook, url: str) -> bool:
    return host_of(hook.url) == host_of(url)


def _has_any(_hook: InstalledHook, _url: str) -> bool:
    return True


def _mended(wanted: Wanted, hook: InstalledHook | None) -> Install | Update | None:
    event, url = wanted
    if hook is None:
        return Install(event, url)
    return None if is_right(hook, url) else Update(hook.provider_id, event, url)
