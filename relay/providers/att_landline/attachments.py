"""The answer to `messageAttachment/list` -> the parts of a message. Pure.

Its sample has no `success` (Landline documentation, MMS Retrieve Process). A text says that it has attachments before
AT&T has stored them: an empty list means "not yet" (wire facts, 4.8).
"""

from collections.abc import Mapping
from typing import Any

from relay.domain.errors import ErrorCode, Problem, TryLater
from relay.domain.messages import Part
from relay.providerkit.parse import Unreadable, as_count, as_id, as_int, as_list, as_object, understood

_SMIL = "application/smil"  # the layout of an MMS, for handsets
_UNKNOWN_TYPE = "application/octet-stream"


def read_parts(body: bytes) -> tuple[Part, ...]:
    """The attachments, without the MMS layout.

    Raises:
        TryLater: there are none yet.
        Malformed: it is no list of attachments.
    """
    entries, total = understood(body, "a list of attachments", _listed)
    if not entries:
        raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, "the provider has not stored the attachments yet"))
    missing = [_lost("the provider counts more attachments than it lists")] if total > len(entries) else []
    return (*(part for part in entries if part.content_type != _SMIL), *missing)


def _listed(value: Any) -> tuple[list[Part], int]:
    inner = as_object(value, "the body")
    listed = inner.get("response")
    if isinstance(listed, bool):
        raise Unreadable("response must be a list")
    return [_part(as_object(entry, "an attachment")) for entry in as_list(listed)], as_count(inner.get("total"))


def _part(entry: Mapping[str, Any]) -> Part:
    """The type is that of the list: what the content is served as says less (wire facts, 4.8)."""
    key, filename = as_id(entry.get("storagekey")), as_id(entry.get("filename"))
    content_type = _type(as_id(entry.get("mimetype")), filename or "")
    if key is None:
        return _lost("the provider lists the attachment without a storage key", content_type, filename)
    return Part(content_type, filename=filename, ref=key, size=_size(entry.get("filesizebytes")))


def _type(mime_type: str | None, filename: str) -> str:
    if mime_type:
        return mime_type.partition(";")[0].strip().lower() or _UNKNOWN_TYPE
    return _SMIL if filename.lower().endswith(".smil") else _UNKNOWN_TYPE


def _size(value: Any) -> int | None:
    try:
        return as_int(value, "fileSizeBytes") if value not in (None, "") and as_int(value, "") >= 0 else None
    except Unreadable:
        return None


def _lost(detail: str, content_type: str = _UNKNOWN_TYPE, filename: str | None = None) -> Part:
    return Part(content_type, filename=filename, problem=Problem(ErrorCode.PROVIDER_ERROR, detail))
