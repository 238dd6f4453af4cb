"""How long relay keeps what is done with, in words, and what of it contradicts itself."""

from collections.abc import Iterator

from relay.cli.findings import Finding, good
from relay.settings import Settings
from relay.settings.retention import Retention

_HOUR, _DAY = 3600.0, 86_400.0


def look_at_retention(settings: Settings) -> list[Finding]:
    """The lifetimes as they come true: one setting may overrule another."""
    return [good("settings", words) for words in in_words(settings.retention)]


def in_words(kept: Retention) -> Iterator[str]:
    """What is kept for how long, and which setting is without effect."""
    texts = min(kept.texts, kept.finals)
    longest = max(texts, kept.events, kept.raw)
    holding = [name for name in ("events", "raw") if getattr(kept, name) > texts]
    yield f"texts are kept for {_long(texts)} after their end, and what became of them for {_long(kept.finals)}"
    if holding:
        yield f"texts stay up to {_long(longest)} in what retention.{' and retention.'.join(holding)} keep"
    if kept.texts > kept.finals:
        yield f"retention.texts ({_long(kept.texts)}) is without effect: texts go with messages (retention.finals)"
    if kept.keys < kept.finals:
        yield f"retention.keys ({_long(kept.keys)}) is without effect: an id stays with its message (retention.finals)"


def _long(seconds: float) -> str:
    return f"{seconds / _DAY:g} days" if seconds % _DAY == 0 else f"{seconds / _HOUR:g} hours"
