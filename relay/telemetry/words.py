"""Small words that commands and the status page share: counts, and times as people read them."""

from datetime import datetime


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 call`, `2 calls`, `2 copies`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def moment(at: str | None) -> str:
    """A time of the daemon's, to the second; `-` for none."""
    return f"{at[:10]} {at[11:19]}Z" if at else "-"


def lasting(seconds: float) -> str:
    """A length of time in its two largest units: `0 s`, `4 min 10 s`, `3 h 5 min`, `2 d 4 h`."""
    whole = max(int(seconds), 0)
    for size, unit, smaller, small in _UNITS:
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {small}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def roughly(seconds: float) -> str:
    """A length of time in its largest unit: `0 s`, `4 min`, `3 h`, `2 d`."""
    whole = max(int(seconds), 0)
    size, unit = next(((size, unit) for size, unit, *_ in _UNITS if whole >= size), (1, "s"))
    return f"{whole // size} {unit}"


def lasts(at: str | None, now: str | None) -> str:
    """For how long something has been so: `4 min`; the time itself where it is not known what time it is."""
    return moment(at) if at is None or now is None else roughly(_between(at, now))


def ago(at: str | None, now: str | None) -> str:
    """When something was: `4 min ago`."""
    return moment(at) if at is None or now is None else f"{roughly(_between(at, now))} ago"


def ahead(at: str | None, now: str | None) -> str:
    """When something is to be: `in 4 min`, or `now`."""
    if at is None or now is None:
        return moment(at)
    left = _between(now, at)
    return f"in {roughly(left)}" if left > 0 else "now"


def waits(due: str | None, now: str | None) -> str:
    """For how long something has waited that was due: `for 4 min`; or when it will be due: `due in 4 min`."""
    if due is None or now is None:
        return moment(due)
    passed = _between(due, now)
    return f"for {roughly(passed)}" if passed >= 0 else f"due in {roughly(-passed)}"


def _between(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


_UNITS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
