"""Requests that wait to be written -> what each of them would ask for: read for all, by whoever asks first.

Whether its key is bound, and whether a call waits that its copies could travel in. So a batch of fifty requests asks
once, and not fifty times.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import bindparam, select

from relay.domain.messages import Plan, SendRequest
from relay.journal.columns import Words, printable
from relay.journal.listing import listed, unpacked
from relay.journal.queueing import foresee
from relay.journal.schema import command
from relay.journal.transaction import Transaction

Key = tuple[str, str, str]  # line, client, key

_MOST = 500  # keys that are read together


@dataclass(frozen=True, slots=True)
class _Coming:
    """A request that waits to be written, and how it will be sent."""

    key: Key
    request: SendRequest
    plan: Plan


class Keys:
    """Keys that will be asked for soon, and those that are known to be free."""

    def __init__(self) -> None:
        self._coming: dict[int, _Coming] = {}
        self._last = 0

    def expect(self, key: Key, request: SendRequest, plan: Plan) -> int:
        """A request with this key waits from now on; gives what `met` takes."""
        self._last += 1
        self._coming[self._last] = _Coming(key, request, plan)
        return self._last

    def met(self, ticket: int) -> None:
        """It waits no longer."""
        del self._coming[ticket]

    def is_free(self, tx: Transaction, key: Key) -> bool:
        """Whether nothing is bound to a key, as far as is known: where not, its row is to be read.

        What is free is bound by this transaction or by nobody, for nobody else writes until it ends.
        """
        if tx.gathered.has_bound(*key):
            return False
        looked_up: dict[Key, bool] = tx.known.setdefault(_LOOKED_UP, {})
        if key not in looked_up:
            # Asked for on the writer's thread, while the event loop adds to it: copied in one go.
            coming = list(islice((one for one in list(self._coming.values()) if one.key not in looked_up), _MOST))
            self._look_up(tx, looked_up, {key, *(one.key for one in coming)})
            foresee(tx, ((one.request, one.plan) for one in coming))
        return looked_up[key]

    def _look_up(self, tx: Transaction, looked_up: dict[Key, bool], keys: Collection[Key]) -> None:
        bound = {tuple(row) for row in tx.beside(_BOUND, {"some": listed({key for _, _, key in keys})})}
        looked_up.update((one, tuple(map(printable, one)) not in bound) for one in keys)


_LOOKED_UP = "whether keys are free"
_BOUND = select(command.c.line, command.c.client, command.c.key).where(
    command.c.key.in_(select(unpacked(bindparam("some", type_=Words)).c.value))
)
