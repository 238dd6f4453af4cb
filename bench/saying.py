"""Words to whoever looks on."""

import sys


def say(words: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
