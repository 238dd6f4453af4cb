"""Small words that commands share: counts, and times as people read them."""

from relay.telemetry.words import counted, moment

__all__ = ["counted", "moment", "table"]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of columns, each as wide as its widest entry.

    Clients choose some of the words: what would steer a terminal is replaced.
    """
    shown = [[_printable(entry) for entry in row] for row in (head, *rows)]
    widths = [max(len(row[place]) for row in shown) for place in range(len(head))]
    return ["  ".join(f"{entry:<{width}}" for entry, width in zip(row, widths, strict=True)).rstrip() for row in shown]


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)
