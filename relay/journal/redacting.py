"""JSON that relay tells -> the same without somebody: names stand for the addresses, and their own words are gone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from relay.domain.spellings import Spellings

_WORDS: Mapping[str, Any] = {"text": None, "subject": None, "media": []}
# What others wrote is theirs, whomever it names; ids of relay's own are no numbers, whatever their digits.
_LEFT = frozenset({"text", "subject", "filename", "data", "message_id", "copy_id", "aside_id", "call_id"})


@dataclass(frozen=True, slots=True)
class Redacted:
    """A body without somebody. `is_theirs`: it told a message of theirs; `tokens`: those of its kept attachments."""

    body: dict[str, Any]
    is_theirs: bool
    tokens: list[str] = field(default_factory=list)


def redact(body: Mapping[str, Any], who: Spellings) -> Redacted:
    """An event's body without them."""
    theirs = _is_theirs(body, who)
    return Redacted(redacted(body, who), theirs, _tokens(body, who))


def redacted(value: Any, who: Spellings) -> Any:
    """`value` without them: messages of theirs lose their words, addresses of theirs are replaced."""
    if isinstance(value, str):
        return who.name_of(value) or who.replaced(value)
    if isinstance(value, list):
        return [redacted(one, who) for one in value]
    if isinstance(value, Mapping):
        rest = {name: one if name in _LEFT else redacted(one, who) for name, one in value.items()}
        return {**rest, **_WORDS, "forgotten": True} if _is_theirs(value, who) else rest
    return value


def _is_theirs(body: Mapping[str, Any], who: Spellings) -> bool:
    """Whether it is a message that they wrote, or that was written to them alone."""
    if "from" not in body or "text" not in body:
        return False
    sender, to = body["from"], body.get("to")
    if isinstance(sender, str) and who.name_of(sender):
        return True
    return isinstance(to, list) and bool(to) and all(isinstance(one, str) and who.name_of(one) for one in to)


def _tokens(value: Any, who: Spellings) -> list[str]:
    """Of the kept attachments of their messages, wherever they stand."""
    if isinstance(value, list):
        return [token for one in value for token in _tokens(one, who)]
    if not isinstance(value, Mapping):
        return []
    if _is_theirs(value, who):
        hrefs = [part.get("href") for part in value.get("media") or () if isinstance(part, Mapping)]
        return [href.rpartition("/")[2] for href in hrefs if isinstance(href, str)]
    return [token for one in value.values() for token in _tokens(one, who)]
