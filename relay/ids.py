"""Ids and chance, handed in: time-ordered ids (UUIDv7) and jitter from one source that a test can seed."""

import os
import random
import secrets
from collections.abc import Callable
from struct import iter_unpack

from relay.clock import Clock

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
_MILLISECOND_BITS = (1 << 48) - 1
_COUNTER_BITS = (1 << 12) - 1
_RANDOM_BITS = 62
_FLOAT_BITS = 53
_AT_ONCE = 256  # ids that the system's random bits are fetched for together: each fetch costs more than an id


class Ids:
    """Makes ids that sort by the time they were made, and everything else that needs chance.

    Args:
        clock: gives the time that goes into the ids.
        chance: where the random bits come from; a seeded `random.Random` repeats a run.
    """

    def __init__(self, clock: Clock, chance: random.Random | None = None) -> None:
        self._clock = clock
        self.chance: random.Random = chance or _Chance()
        self._draw: Callable[[], int] = self.chance.bits if isinstance(self.chance, _Chance) else self._drawn
        self._last = (0, 0)

    def new(self) -> str:
        """A UUIDv7: time-ordered, rising even within one millisecond and when the clock steps back."""
        millisecond = int(self._clock.now().timestamp() * 1000) & _MILLISECOND_BITS
        last_millisecond, counter = self._last
        millisecond = max(millisecond, last_millisecond)
        counter = counter + 1 if millisecond == last_millisecond else 0
        if counter > _COUNTER_BITS:
            millisecond, counter = millisecond + 1, 0
        self._last = (millisecond, counter)
        digits = f"{millisecond << 80 | _VERSION_7 | counter << 64 | _VARIANT | self._draw():032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def jitter(self, seconds: float, part: float = 0.2) -> float:
        """`seconds`, more or less by up to `part` of it, so that many waits do not end at once."""
        return seconds * self.chance.uniform(1 - part, 1 + part)

    def _drawn(self) -> int:
        return self.chance.getrandbits(_RANDOM_BITS)


class _Drawn:
    """Random bits of the system, fetched for many ids together, and each given once."""

    def __init__(self) -> None:
        self._left: list[int] = []

    def __call__(self) -> int:
        """The next bits."""
        while True:
            try:
                return self._left.pop()
            except IndexError:
                # Another thread may take the last of them meanwhile.
                fetched = iter_unpack(">Q", os.urandom(8 * _AT_ONCE))
                self._left.extend(bits >> 64 - _RANDOM_BITS for (bits,) in fetched)


class _Chance(random.SystemRandom):
    """The system's chance; the bits of its numbers from 0 to 1 are fetched for many of them together."""

    def __init__(self) -> None:
        super().__init__()
        self.bits = _Drawn()

    def random(self) -> float:
        """A number from 0 up to 1, with as many bits as it can have."""
        return (self.bits() >> _RANDOM_BITS - _FLOAT_BITS) * 2.0**-_FLOAT_BITS


def unguessable() -> str:
    """A secret of 192 bits that is safe in a path."""
    return secrets.token_urlsafe(24)
