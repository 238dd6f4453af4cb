"""Why copies wait, as the journal knows it -> with what the line itself suffers from, which no journal knows."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

# What the line's pace and an operator's hold show as is said by the journal.
_NO_NEWS = frozenset({"ready", "throttled"})
_HELD = "the line is held"


async def with_trouble(
    status: Callable[[], Awaitable[dict[str, Any]]], waits: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The same, where each that has a `sentence` and a `line` says besides how that line stands, if not well.

    Args:
        status: how the node stands: asked only where something waits.
        waits: what the journal says.
    """
    if not any(one.get("sentence") for one in waits):
        return list(waits)
    lines = (await status())["lines"]
    return [{**one, "sentence": _said(one, lines)} if one.get("sentence") else one for one in waits]


def _said(one: dict[str, Any], lines: dict[str, Any]) -> str:
    sentence, health = str(one["sentence"]), lines.get(one["line"])
    if health is None:
        return f"{sentence}; besides, the line is not in relay's settings"
    if health["state"] in _NO_NEWS or _HELD in sentence:
        return sentence
    reason = f": {health['reason']}" if health["reason"] else ""
    return f"{sentence}; besides, the line is {health['state']} since {health['since']}{reason}"
