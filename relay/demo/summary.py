"""AT&T's ledger against what the subscriber heard: nothing lost, nothing doubled."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from relay.demo.story import ALERTS, OFFICE, Story
from relay.demo.subscriber import DESK


@dataclass(frozen=True, slots=True)
class Summary:
    """What the story came to.

    Attributes:
        handed: texts that AT&T took, and calls with which it took them.
        delivered: texts that reached their phones, as the receipts say.
        received: texts that came in, as the subscriber heard them.
        lost: texts that were asked for or came in, and are missing on the other side.
        doubled: texts that arrived there more than once.
        forbidden: things that relay did against AT&T's documents.
    """

    handed: int
    calls: int
    delivered: int
    received: int
    lost: int
    doubled: int
    forbidden: int

    @property
    def good(self) -> bool:
        """Whether all is as promised."""
        return not (self.lost or self.doubled or self.forbidden)


def summarise(story: Story) -> Summary:
    """Compare the two sides of a story that has been played."""
    world = story.world.att.world
    ledger = world.ledger.lines()
    accepted = [line for line in ledger if line["what"] == "accepted"]
    texted = [line for line in ledger if line["what"] == "received"]
    heard = [heard.data for line in (ALERTS, OFFICE, DESK) for heard in story.world.ears.on(f"{line}/message")]
    out = _difference(story.requested, ((line["to"], line["text"]) for line in accepted))
    back = _difference(_texts(texted), _texts(heard))
    return Summary(
        handed=len(accepted),
        calls=len({line["request"] for line in accepted}),
        delivered=story.finals["delivered"],
        received=len(heard),
        lost=out[0] + back[0] + len(story.requested) - story.finals.total(),
        doubled=out[1] + back[1],
        forbidden=len(world.violations.lines()),
    )


def _texts(entries: Iterable[Any]) -> list[tuple[str, str]]:
    return [(entry["from"], entry["text"]) for entry in entries]


def _difference(sent: Iterable[tuple[str, str]], arrived: Iterable[tuple[str, str]]) -> tuple[int, int]:
    """How many of `sent` are missing among `arrived`, and how many are there too often."""
    wanted, found = Counter(sent), Counter(arrived)
    return (wanted - found).total(), (found - wanted).total()
