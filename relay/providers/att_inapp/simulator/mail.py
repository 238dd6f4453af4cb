"""A message of a subscriber's store, in or out (OpenAPI of In-App Messaging, MessageDetail; the kits)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

TEXT = "TEXT"
MMS = "MMS"

_LAYOUT = b'<smil><head><layout/></head><body><par dur="5000ms"/></body></smil>'


@dataclass(frozen=True, slots=True)
class MailPart:
    """One part of an MMS: `name` is its file name."""

    name: str
    content_type: str
    data: bytes = field(repr=False)
    is_text_of_message: bool = False

    @property
    def kind(self) -> str:
        """TEXT, IMAGE, AUDIO, VIDEO, or what else its type begins with."""
        return self.content_type.partition("/")[0].strip().upper() or "APPLICATION"


def mms_parts(text: str | None, files: Sequence[MailPart], *, smil: bool) -> Sequence[MailPart]:
    """The parts of an MMS: its layout, its text, and its files."""
    layout = [MailPart("0.smil", "application/smil", _LAYOUT)] if smil else []
    body = (
        [MailPart("text_0.txt", "text/plain", text.encode(errors="replace"), is_text_of_message=True)] if text else []
    )
    return [*layout, *body, *files]


@dataclass(frozen=True, slots=True)
class MailSegment:
    """The place (from 1) of a message in a longer text: `total` messages share `ref`."""

    ref: int
    place: int
    total: int


@dataclass(frozen=True, slots=True)
class NewMail:
    """A message that is about to enter a store."""

    incoming: bool = field(kw_only=True)
    sender: str
    recipients: Sequence[str]
    time: datetime
    text: str | None = None
    subject: str | None = None
    parts: Sequence[MailPart] = ()
    is_mms: bool = False
    segment: MailSegment | None = None


@dataclass(slots=True)
class StoredMail:
    """A message of the store, and the flags that can change."""

    id: str
    order: int
    """Rises with every message that comes into the store."""
    new: NewMail
    unread: bool
    favorite: bool = False

    @property
    def type(self) -> str:
        """TEXT or MMS."""
        return MMS if self.new.is_mms else TEXT

    def part_path(self, place: int) -> str:
        """Where one of its parts is fetched, below the base URL."""
        return f"/myMessages/v2/messages/{quote(self.id, safe='')}/parts/{place}"

    @property
    def age(self) -> tuple[datetime, int]:
        """What messages are listed by."""
        return self.new.time, self.order
