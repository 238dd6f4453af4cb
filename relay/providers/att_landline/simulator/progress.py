"""The events of an outbound text: which status codes come, in which order, how often, and when.

Codes: 1, 2, 3 under way; 0, 4, 6 delivered; 5, 7 failed (Landline document, Status Codes: Message Progress).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from relay.providerkit.simulated import Fate
from relay.providers.att_landline.simulator.modes import LandlineModes

_DELIVERED = ((2, 1, 0), (3, 1, 4), (1, 0, 6))
_FAILED = ((1, 5), (1, 7))
_STUCK = (2, 1)
_LATE = (2, 1, 0, 6)
_LATE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Step:
    """An event, so many seconds after the text went out."""

    after: float
    event: str
    status_code: int


def steps(fate: Fate, modes: LandlineModes, chance: random.Random) -> Sequence[Step]:
    """What will be told of a text, the `send` event first unless the order is disturbed."""
    codes = _codes(fate, chance)
    pace = modes.progress_seconds
    told = [Step(pace * place, "progress", code) for place, code in enumerate(codes, 1)]
    told.insert(0, Step(0, "send", codes[0]))
    if fate is Fate.LATE:
        told[-1] = Step(_LATE_SECONDS, "progress", codes[-1])
    if chance.random() < modes.reorder:
        _swap_two(told, chance)
    if chance.random() < modes.duplicate:
        told.append(chance.choice(told))
    return told


def _codes(fate: Fate, chance: random.Random) -> Sequence[int]:
    match fate:
        case Fate.IMPOSSIBLE:
            return chance.choice(_FAILED)
        case Fate.STUCK | Fate.UNCERTAIN:
            return _STUCK
        case Fate.LATE:
            return _LATE
        case _:
            return chance.choice(_DELIVERED)


def _swap_two(told: list[Step], chance: random.Random) -> None:
    place = chance.randrange(len(told) - 1)
    early, late = told[place], told[place + 1]
    told[place] = Step(early.after, late.event, late.status_code)
    told[place + 1] = Step(late.after, early.event, early.status_code)
