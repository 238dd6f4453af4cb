"""Where a line's web hooks arrive: `/hooks/<line>/<secret>/<event>`, and which secrets are taken.

AT&T signs nothing, so the path is the proof. A secret comes from the settings or is made once and kept in the
journal; after a change the former one is still taken for 72 hours, for that is how long AT&T repeats a hook.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pydantic_core import from_json, to_json

from relay.ids import unguessable

FORMER_FOR = timedelta(hours=72)
_KEY = "hooks.secrets"


class Memory(Protocol):
    """A line's small durable memory."""

    async def get(self, key: str) -> bytes | None:
        """What was put under `key`."""

    async def put(self, key: str, value: bytes) -> None:
        """Keep `value` under `key`."""


@dataclass(frozen=True, slots=True)
class HookSecrets:
    """The secret that addresses are made of, and the former ones that are still taken."""

    current: str
    former: tuple[str, ...] = ()

    @property
    def taken(self) -> tuple[str, ...]:
        """Every secret under which hooks are taken."""
        return (self.current, *self.former)


async def hook_secrets(memory: Memory, configured: str | None, now: datetime) -> HookSecrets:
    """The line's secrets, made at the first call and kept; a change of `configured` retires the one before."""
    kept = from_json(await memory.get(_KEY) or b"{}")
    before: str | None = kept.get("current")
    current = configured or before or unguessable()
    former: dict[str, str] = dict(kept.get("former", {}))
    if before and before != current:
        former[before] = (now + FORMER_FOR).isoformat()
    former = {secret: until for secret, until in former.items() if _still(until, now) and secret != current}
    fresh = {"current": current, "former": former}
    if fresh != kept:
        await memory.put(_KEY, to_json(fresh))
    return HookSecrets(current, tuple(former))


def hook_prefix(public_url: str, line: str) -> str:
    """The beginning of every address that is this line's."""
    return f"{public_url}/hooks/{line}/"


def hook_addresses(public_url: str, line: str, secret: str, events: tuple[str, ...]) -> Mapping[str, str]:
    """The address for each event."""
    return {event: f"{hook_prefix(public_url, line)}{secret}/{event}" for event in events}


def _still(until: str, now: datetime) -> bool:
    return datetime.fromisoformat(until) > now
