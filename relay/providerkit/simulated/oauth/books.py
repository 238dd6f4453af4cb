"""The books of an OAuth server: who granted what, by which access token, refresh token or code it can be claimed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from relay.clock import Clock
from relay.ids import Ids
from relay.providerkit.simulated.oauth.apps import OAuthClient

T = TypeVar("T")

NEVER = float("inf")
_KEPT = 10_000


@dataclass(slots=True, eq=False)
class Standing:
    """One grant, and all tokens that come of it; `withdrawn` by the subscriber, or `revoked` by the app."""

    app: OAuthClient
    scopes: frozenset[str]
    subscriber: str | None = None
    withdrawn: bool = False
    revoked: bool = False

    @property
    def line(self) -> str:
        """What ledger and faults call it."""
        return self.subscriber or self.app.line

    @property
    def is_good(self) -> bool:
        """Whether neither side has ended it."""
        return not (self.withdrawn or self.revoked)


@dataclass(slots=True)
class Code:
    """An authorization code."""

    standing: Standing
    redirect_uri: str
    used: bool = False


@dataclass(slots=True)
class Shelf(Generic[T]):
    """Secrets of one kind, and what each stands for until it expires; the oldest go first.

    Args:
        clock: its time goes into the secrets, and ends them.
        ids: where chance comes from.
        kind: stands in the secrets.
    """

    clock: Clock
    ids: Ids
    kind: str
    _kept: dict[str, tuple[T, float]] = field(default_factory=dict)

    def issue(self, thing: T, life: float) -> str:
        """A new secret for `thing`, good for `life` seconds; opaque, with tildes, as AT&T's are."""
        now = self.clock.now()
        secret = f"SIM-{self.kind}~4~{now:%Y%m%d%H%M%S}~{self.ids.chance.getrandbits(160):040x}"
        while len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[secret] = (thing, now.timestamp() + life)
        return secret

    def find(self, secret: str) -> T | None:
        """What it stands for; None where it is unknown or has expired."""
        thing, expires = self._kept.get(secret, (None, 0.0))
        return thing if expires > self.clock.now().timestamp() else None

    def drop(self, secret: str) -> None:
        """Forget one."""
        self._kept.pop(secret, None)

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return iter([(secret, thing) for secret, (thing, _) in self._kept.items()])
