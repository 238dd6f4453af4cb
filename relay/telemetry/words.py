"""Small words that commands and the status page share: counts, and times as people read them."""


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


_UNITS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
