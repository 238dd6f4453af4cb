"""What providers say the time is -> whether this machine's clock is right."""

from collections.abc import Sequence
from datetime import timedelta

from relay.cli.findings import Finding, good, wrong

_PART = "clock"
_APART = timedelta(seconds=5)  # a Date header has whole seconds, and its answer was under way
_WHY = "texts would be sent at the wrong time and expire too early or too late, and certificates be refused"


def judged(ahead: Sequence[timedelta]) -> list[Finding]:
    """What is found of the clock; `ahead`: how far it is ahead of each that could be asked. The nearest one counts."""
    if not ahead:
        return []
    nearest = min(ahead, key=abs)
    if abs(nearest) <= _APART:
        return [good(_PART, f"within {_APART.total_seconds():g} s of the provider's")]
    where = "ahead of" if nearest > timedelta() else "behind"
    what = f"this machine's clock is {abs(nearest).total_seconds():.0f} s {where} the provider's"
    return [wrong(_PART, what, _WHY, "set it, and keep it right by NTP: timedatectl set-ntp true")]
