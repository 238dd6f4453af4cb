"""Small words that commands share: counts, and times as people read them."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 call`, `2 calls`, `2 copies`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def moment(at: str | None) -> str:
    """A time of the daemon's, to the second; `-` for none."""
    return f"{at[:10]} {at[11:19]}Z" if at else "-"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of columns, each as wide as its widest entry."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return [
        "  ".join(f"{entry:<{width}}" for entry, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
