"""Texts that were accepted: what becomes of each, and how long it is told (SMS documentation, Delivery Status)."""

import heapq
from collections import OrderedDict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TypeVar

from relay.providerkit.simulated import Fate, World
from relay.providers.att_sms.simulator.modes import SmsModes

T = TypeVar("T")

WAITING = "MessageWaiting"
NETWORK = "DeliveredToNetwork"
TERMINAL = "DeliveredToTerminal"
IMPOSSIBLE = "DeliveryImpossible"
UNCERTAIN = "DeliveryUncertain"
FINAL = frozenset((TERMINAL, IMPOSSIBLE))

_NETWORK_GIVES_UP = 72 * 3600.0
_KEPT_AFTER_FINAL = 30 * 60.0
_LATE = 3600.0
_SLOW_START = 600.0
_REMEMBERED = 10_000  # ids of what is told, and of what is notified
_SLACK = 1_000  # entries for messages that are gone, before they are weeded out


@dataclass(frozen=True, slots=True)
class Journey:
    """What becomes of one copy, in seconds since 1970: all of it is known from the start."""

    network: float
    """Until then it waits."""
    doubt: float
    """From then on it is uncertain, if it is not final."""
    end: float
    final: str

    def status(self, now: float) -> str:
        """The status at a moment."""
        if now >= self.end:
            return self.final
        if now < self.network:
            return WAITING
        return UNCERTAIN if now >= self.doubt else NETWORK


@dataclass(slots=True)
class Copy:
    """One recipient's copy of a message: `ref` is `msg0`, `msg1`, … in the order of the addresses."""

    ref: str
    number: str
    journey: Journey
    told: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """One message, as long as its status can be asked for."""

    message_id: str
    line: str
    copies: Sequence[Copy]


class Outbox:
    """Every message whose status can still be asked for."""

    def __init__(self, world: World, modes: SmsModes) -> None:
        self._world = world
        self._modes = modes
        self._sent: OrderedDict[str, Sent] = OrderedDict()
        self._purges: list[tuple[float, str]] = []
        self._told: OrderedDict[str, None] = OrderedDict()
        self._notified: OrderedDict[str, str] = OrderedDict()

    def accept(self, line: str, numbers: Sequence[str], *, tracked: bool) -> Sent:
        """Take a text to each of `numbers`; its status can be asked for later if it is `tracked`, else notified."""
        now = self._world.now()
        copies = [Copy(f"msg{place}", number, self._journey(number, now)) for place, number in enumerate(numbers)]
        sent = Sent(f"SMS{self._world.ids.chance.getrandbits(64):016x}", line, copies)
        for copy in copies:
            if copy.journey.final == TERMINAL:
                self._world.handset.delivered(copy.number, line, copy.journey.end)
        if tracked:
            self._remember(sent)
        else:
            _keep(self._notified, sent.message_id, line)
        return sent

    def _journey(self, number: str, now: float) -> Journey:
        fate = self._world.handset.fate(number)
        network = now + (_SLOW_START if fate is Fate.SLOW_START else self._modes.network_seconds)
        arrival = network + self._world.ids.jitter(self._modes.delivery_seconds)
        never = now + _NETWORK_GIVES_UP
        match fate:
            case Fate.IMPOSSIBLE:
                return Journey(network, never, arrival, IMPOSSIBLE)
            case Fate.STUCK:
                return Journey(network, never, never, IMPOSSIBLE)
            case Fate.UNCERTAIN:
                return Journey(network, arrival, never, IMPOSSIBLE)
            case Fate.LATE:
                return Journey(network, never, now + _LATE, TERMINAL)
            case _:
                return Journey(network, never, arrival, TERMINAL)

    def _remember(self, sent: Sent) -> None:
        self._purge()
        self._sent[sent.message_id] = sent
        end = max(copy.journey.end for copy in sent.copies)
        heapq.heappush(self._purges, (end + _KEPT_AFTER_FINAL, sent.message_id))
        while len(self._sent) > self._modes.outbox_limit:
            self._sent.popitem(last=False)
        if len(self._purges) > 2 * len(self._sent) + _SLACK:
            self._purges = sorted(entry for entry in self._purges if entry[1] in self._sent)

    def _purge(self) -> None:
        """Forget what has been final for thirty minutes, told or not."""
        now = self._world.now()
        while self._purges and self._purges[0][0] <= now:
            _, message_id = heapq.heappop(self._purges)
            if sent := self._sent.pop(message_id, None):
                facts = {"service": "att-sms", "line": sent.line, "message_id": message_id}
                self._world.ledger.record("status-purged", facts)

    def tell(self, message_id: str, lines: Container[str]) -> tuple[Sent, Sequence[tuple[Copy, str]]] | None:
        """The status of each copy that has one; None where none of `lines` has such a message, or no more.

        A final status is told once: the first answer in which it stands removes it, for the whole message once all
        are final, or address by address (the mode `removal`; the documents do not say).
        """
        self._purge()
        sent = self._sent.get(message_id)
        if sent is None or sent.line not in lines:
            return None
        now = self._world.now()
        rows = [(copy, copy.journey.status(now)) for copy in sent.copies if not copy.told]
        finals = [copy for copy, status in rows if status in FINAL]
        if len(finals) == len(rows):
            self._forget(message_id)
        elif self._modes.removal == "address":
            for copy in finals:
                copy.told = True
        return sent, rows

    def _forget(self, message_id: str) -> None:
        del self._sent[message_id]
        _keep(self._told, message_id, None)

    def was_told(self, message_id: str) -> bool:
        """Whether the last of this message's final statuses has been told, so that asking again is a mistake."""
        return message_id in self._told

    def notified(self, message_id: str) -> str | None:
        """The line whose message this is, if its status is notified and not to be asked for."""
        return self._notified.get(message_id)


def _keep(memory: OrderedDict[str, T], message_id: str, value: T) -> None:
    memory[message_id] = value
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)
