"""The three ledgers of a world, compared while it still stands: see `tests/battery/checker.py`, which judges."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from tests.battery.checker import Findings, Ledgers, judge
from tests.system.world import World

_WRITTEN_WITHIN = 10.0


def compare(
    world: World, requests: Mapping[str, Mapping[str, Any]] | None = None, texts_in: Iterable[str] | None = None
) -> Findings:
    """Compare the ledgers of a world in which nothing moves any more.

    Args:
        world: the world.
        requests: the requests that the broker took, by id, where something else than `World.publish` published them.
        texts_in: the texts that were sent to relay's lines, where it was not all by `World.text_in`.
    """
    _written(world)
    asked = list(world.ledgers.asked.lines())
    if requests is not None:
        asked = [line for line in asked if line["what"] != "command"]
        asked += [{"what": "command", "topic": _SEND, "payload": request} for request in requests.values()]
    if texts_in is not None:
        asked = [line for line in asked if line["what"] != "text-in"]
        asked += [{"what": "text-in", "text": text} for text in texts_in]
    return judge(Ledgers(world.ledgers.att.lines(), world.ledgers.heard.lines(), asked))


def _written(world: World) -> None:
    """AT&T's ledger is written by a thread of its own: wait until it has all that happened."""
    happened, until = len(world.att.world.ledger.lines()), time.monotonic() + _WRITTEN_WITHIN
    while len(world.ledgers.att.lines()) < happened:
        assert time.monotonic() < until, "the simulator's ledger is not written"


_SEND = "relay/line/any/send"
