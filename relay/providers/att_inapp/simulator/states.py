"""Opaque states, each a point in the history of a store, from which changes can be followed."""

import itertools
from dataclasses import dataclass

from relay.providerkit.simulated import World
from relay.providers.att_inapp.simulator.modes import InAppModes

_FOREVER = 0
_KEPT = 100_000  # who comes back with an older one has to list again


@dataclass(slots=True)
class _State:
    revision: int
    told: float


class States:
    """The states that were told; each means a revision, and the same revision is told as the same state."""

    def __init__(self, world: World, modes: InAppModes) -> None:
        self._world = world
        self._modes = modes
        self._by_token: dict[str, _State] = {}
        self._by_revision: dict[int, str] = {}
        self._count = itertools.count(1)

    def at(self, revision: int) -> str:
        """The state that means `revision`."""
        token = self._by_revision.get(revision)
        if token is None or self._expired(self._by_token[token]):
            self._make_room()
            token = self._by_revision[revision] = self._new(revision)
        self._by_token[token] = _State(revision, self._world.now())
        return token

    def _make_room(self) -> None:
        if len(self._by_token) >= _KEPT:
            oldest = next(iter(self._by_token))
            self._by_revision.pop(self._by_token.pop(oldest).revision, None)

    def _new(self, revision: int) -> str:
        chance, moment = self._world.ids.chance, int(self._world.now() * 1000)
        match self._modes.states:
            case "plain":
                return f"state-{chance.getrandbits(64):016x}"
            case "digits":
                return f"{moment}{next(self._count):03}"
            case _:
                return f"{moment}|{revision}:{chance.getrandbits(64):x},+/{chance.getrandbits(16):04x}=="

    def revision(self, token: str) -> int | None:
        """What a state means; None where it never meant anything, or not any more."""
        state = self._by_token.get(token)
        return None if state is None or self._expired(state) else state.revision

    def _expired(self, state: _State) -> bool:
        life = self._modes.state_seconds
        return life != _FOREVER and state.told + life <= self._world.now()

    def purge(self) -> None:
        """Forget all."""
        self._by_token.clear()
        self._by_revision.clear()
