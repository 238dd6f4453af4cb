"""What a benchmark found, as ratios to its first row."""

from collections.abc import Sequence


def show(title: str, rates: Sequence[tuple[str, float]]) -> None:
    """Print a table; the first row is what the others are compared with."""
    print(title)  # noqa: T201 - what it is for
    for name, rate in rates:
        print(f"  {name:<24} {rate:8.1f} texts a second   {rate / rates[0][1]:5.2f}")  # noqa: T201 - as above
