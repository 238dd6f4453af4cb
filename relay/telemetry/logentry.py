"""What the catalogue of log events says of each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """What one event's lines are like. `levels` and `fields` are separated by blanks; lines may lack fields."""

    levels: str
    fields: str
    meaning: str
