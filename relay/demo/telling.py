"""demo -> terminal: one plain line for each thing that happened, beside the topic it can be seen on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

_TOPIC = 27  # columns


@dataclass
class Teller:
    """Writes the story.

    Args:
        out: where to.
    """

    out: TextIO
    _counting: bool = field(default=False, init=False)

    def say(self, text: str = "") -> None:
        """A line for itself."""
        self._write(f"{text}\n")

    def step(self, topic: str, text: str, number: int | None = None) -> None:
        """Something that happened, and the topic where it can be seen; the first of a step has its number."""
        self._write(f"{number or '':>2} {topic:<{_TOPIC}} {text}\n")

    def count(self, topic: str, text: str) -> None:
        """Something that is under way: the next line takes its place. Told to a terminal only."""
        if self.out.isatty():
            self._write(f"   {topic:<{_TOPIC}} {text}")
            self._counting = True

    def counter(self, topic: str, what: str) -> Callable[[int], None]:
        """A count that is told whenever it has changed."""
        told = -1

        def tell(number: int) -> None:
            nonlocal told
            if number != told:
                told = number
                self.count(topic, f"{number} {what}")

        return tell

    def _write(self, text: str) -> None:
        self.out.write(f"\r\x1b[K{text}" if self._counting else text)
        self.out.flush()
        self._counting = False
