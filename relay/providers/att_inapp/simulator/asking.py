"""A request's body and query, read within bounds: whatever they are, the answer is a refusal at worst."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from relay.providerkit.simulated import wrong

_MOST_BYTES_READ = 4 << 20
_LEAST_LIMIT, _MOST_LIMIT, _DEFAULT_LIMIT = 1, 500, 50
_MOST_WHOLE = (1 << 31) - 1
_FLAGS = {"true": True, "false": False}
_KINDS = {"SMS": "TEXT", "TEXT": "TEXT", "MMS": "MMS"}
_KNOWN = frozenset(("limit", "offset", "messageIds", "isUnread", "isFavorite", "type", "keyword", "isIncoming"))

T = TypeVar("T")


async def body_of(request: web.Request) -> bytes:
    """A request's bytes; raises ApiError where they are too many, or do not come."""
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > _MOST_BYTES_READ:
                raise wrong("size")
    except (HttpProcessingError, web.RequestPayloadError) as error:
        raise wrong("body") from error
    return bytes(body)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What is to be listed; `message_ids` go before all filters."""

    limit: int
    offset: int
    message_ids: Sequence[str] | None = None
    unread: bool | None = None
    favorite: bool | None = None
    incoming: bool | None = None
    kind: str | None = None
    keyword: str | None = None


def read_list(query: Mapping[str, str], complain: Callable[[str], None]) -> ListQuery:
    """What a query asks for; raises ApiError, and complains of what the documents forbid."""
    if query.keys() - _KNOWN:
        complain(f"a list by something unknown; right are {', '.join(sorted(_KNOWN))}")
    limit = _whole(query, "limit", _DEFAULT_LIMIT)
    if not _LEAST_LIMIT <= limit <= _MOST_LIMIT:
        complain("a limit that is out of bounds; right is 1 to 500")
        raise wrong("limit")
    keyword = query.get("keyword")
    return ListQuery(
        limit=limit,
        offset=_whole(query, "offset", 0),
        message_ids=split_ids(query["messageIds"]) if query.get("messageIds") else None,
        unread=_one_of(query, "isUnread", _FLAGS),
        favorite=_one_of(query, "isFavorite", _FLAGS),
        incoming=_one_of(query, "isIncoming", _FLAGS),
        kind=_one_of(query, "type", _KINDS),
        keyword=keyword or None,
    )


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST_WHOLE)) and int(text) <= _MOST_WHOLE):
        raise wrong(name)
    return int(text)


def _one_of(query: Mapping[str, str], name: str, values: Mapping[str, T]) -> T | None:
    text = query.get(name)
    if text is not None and text not in values:
        raise wrong(name)
    return None if text is None else values[text]


def split_ids(text: str) -> Sequence[str]:
    """A list of ids with commas between them, each once."""
    return list(dict.fromkeys(filter(None, text.split(","))))
