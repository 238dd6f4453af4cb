"""A content -> by which of Landline Texting's two calls it goes, or why it cannot go at all. Pure.

A text of at most 250 bytes goes by `message/send`, to 15 recipients at once. All else goes by `messaging/send`, to one
recipient a call: a longer text as its body (at most 700 bytes) or, beyond that, as a text file; media as files
(Landline documentation, Message/Send and MMS Send). Bytes are those of UTF-8.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from relay.domain.charset import has_lone_surrogate, segmentation
from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import Content, Media, Plan
from relay.providers.att_landline.formdata import FilePart

MOST_BYTES = 250  # "a maximum of 250 bytes"
MOST_BODY_BYTES = 700  # "limited to 700 bytes"
MOST_PAYLOAD = 600_000  # "600kb", in the smaller of its two meanings

_TEXT = "text/plain"
# The MIME types that can be sent, with the extension of a file that has no name.
_EXTENSIONS: Mapping[str, str] = {
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    _TEXT: "txt",
}
_CHARSET = re.compile(r';\s*charset="?([A-Za-z0-9._:-]{1,40})"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mms:
    """What goes by `messaging/send`."""

    body: str = field(repr=False)
    files: tuple[FilePart, ...] = ()

    @property
    def size(self) -> int:
        """Its payload in bytes."""
        return len(self.body.encode()) + sum(len(file.data) for file in self.files)


def as_mms(text: str | None, media: Sequence[Media]) -> Mms | None:
    """The content as `messaging/send` takes it; None where it goes by `message/send`.

    Args:
        text: in whole characters.
        media: of the five types.
    """
    length = len((text or "").encode())
    if not media and length <= MOST_BYTES:
        return None
    if length <= MOST_BODY_BYTES:
        return Mms(text or "", _files(media))
    own = Media(f"{_TEXT}; charset=utf-8", None, (text or "").encode())
    return Mms("", _files([own, *media]))


def planned(content: Content, *, recipients_per_call: int, mms: bool, provider_schedules: bool) -> Plan:
    """How a content will be sent.

    Args:
        content: what is to be sent.
        recipients_per_call: the most that `message/send` may be given.
        mms: `messaging/send` may be used.
        provider_schedules: AT&T is to wait where it can, and not relay.

    Raises:
        Refused: it cannot be sent; the limit is named.
    """
    _check(content)
    letter = as_mms(content.text, content.media)
    if letter is None:
        in_air = segmentation(content.text or "")
        waits = provider_schedules and content.send_at is not None
        return Plan(
            in_air.encoding.value,
            in_air.segments,
            recipients_per_call,
            provider_waits=waits,
            size=len((content.text or "").encode()),
            api="Landline Texting: Message/Send",
        )
    _check_mms(content, letter, enabled=mms)
    # `messaging/send` has no scheduledDate: relay waits.
    return Plan("utf-8", 1, 1, sent_as="mms", size=letter.size, api="Landline Texting: MMS Send")


def _check(content: Content) -> None:
    if content.group:
        raise _refused(ErrorCode.UNSUPPORTED, "Landline Texting has no groups: `group` must be false")
    if content.subject:
        raise _refused(ErrorCode.UNSUPPORTED, "Landline Texting knows no subject: `subject` must be empty")
    if not content.text and not content.media:
        raise _refused(ErrorCode.INVALID_REQUEST, "there must be a text or media")
    if has_lone_surrogate(content.text or ""):
        raise _refused(ErrorCode.INVALID_REQUEST, "`text` must be in whole characters")


def _check_mms(content: Content, letter: Mms, *, enabled: bool) -> None:
    for place, media in enumerate(content.media):
        if _base_type(media.content_type) not in _EXTENSIONS:
            wanted = ", ".join(_EXTENSIONS)
            detail = f"`media[{place}]` is of a type that Landline Texting does not send: it must be one of {wanted}"
            raise _refused(ErrorCode.UNSUPPORTED_MEDIA, detail)
    if not enabled:
        raise _not_enabled(content)
    if letter.size > MOST_PAYLOAD:
        detail = f"text and media have {letter.size} bytes; Landline Texting takes at most {MOST_PAYLOAD}"
        raise _refused(ErrorCode.TOO_LARGE, detail)


def _not_enabled(content: Content) -> Refused:
    cure = "the line's setting `mms` is false: it may be true once AT&T has enabled MMS on the line"
    if content.media:
        return _refused(ErrorCode.UNSUPPORTED_MEDIA, f"this line sends texts only: {cure}")
    length = len((content.text or "").encode())
    detail = f"`text` has {length} bytes in UTF-8; without MMS Landline Texting takes at most {MOST_BYTES}: {cure}"
    return _refused(ErrorCode.TOO_LONG, detail)


def _files(media: Sequence[Media]) -> tuple[FilePart, ...]:
    """Under the names that the documentation shows: `image`, or `image1` and on; `file` for a text."""
    fields = ["file" if _base_type(each.content_type) == _TEXT else "image" for each in media]
    return tuple(_file(_numbered(fields, place), each) for place, each in enumerate(media))


def _numbered(fields: Sequence[str], place: int) -> str:
    field_name = fields[place]
    alone = fields.count(field_name) == 1
    return field_name if alone else f"{field_name}{fields[: place + 1].count(field_name)}"


def _file(name: str, media: Media) -> FilePart:
    base = _base_type(media.content_type)
    filename = media.filename or f"{name}.{_EXTENSIONS.get(base, 'bin')}"
    return FilePart(name, filename, _content_type(base, media), media.data)


def _content_type(base: str, media: Media) -> str:
    """The bare type, which is what the documentation lists; a text that is not plain ASCII says its character set."""
    charset = _CHARSET.search(media.content_type)
    return f"{base}; charset={charset[1].lower()}" if charset and base == _TEXT and not media.data.isascii() else base


def _base_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _refused(code: ErrorCode, detail: str) -> Refused:
    return Refused(Problem(code, detail))
