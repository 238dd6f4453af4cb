"""The message object of Landline Texting: one shape for all five events (Landline document, Example Payload)."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from relay.providerkit.simulated import World
from relay.providerkit.simulated.numbers import ten_digits

INBOUND = "MO"
FROM_API = "ZO"
FROM_WEB_APP = "MT"

_PACIFIC = timezone(timedelta(hours=-8))  # standard time all year: a bare machine has no table of zones
_FIRST_ID = 664_880_513_175_330_816  # ids are above 2^53, as in the document's samples
_REMEMBERED = 10_000


@dataclass(slots=True)
class Text:
    """One text of a line, in or out."""

    id: int
    line: str
    other: str
    """The other party's number."""
    body: str
    kind: str
    created: datetime
    status_code: int
    scheduled: datetime | None = None
    read: datetime | None = None
    deleted: datetime | None = None
    has_attachment: bool = False
    has_arrived: bool = False

    def payload(self) -> dict[str, Any]:
        """What a web hook carries, whatever its event."""
        line, other = ten_digits(self.line), ten_digits(self.other)
        source, destination = (other, line) if self.kind == INBOUND else (line, other)
        return {
            "body": self.body,
            "bodySize": len(self.body),
            "visible": self.deleted is None,
            "hasAttachment": self.has_attachment,
            "dateRead": _stamp(self.read),
            "bcc": None,
            "finalDestination": destination,
            "messageType": self.kind,
            "deleted": self.deleted is not None,
            "statusCode": self.status_code,
            "id": self.id,
            "scheduledDate": _stamp(self.scheduled),
            "fingerprint": fingerprint(self.line, self.other),
            "messageTransport": 9,
            "contactId": contact_id(self.other),
            "address": f"ptn:/{other}",
            "read": self.read is not None,
            "dateCreated": _stamp(self.created),
            "dateDeleted": _stamp(self.deleted),
            "dateDelivered": None,
            "cc": None,
            "finalSource": source,
            "deviceId": device_id(self.line),
        }

    def later_payload(self) -> dict[str, Any]:
        """The same as it was captured since: times in UTC, numbers in E.164, one more key (wire facts, 4.6)."""
        documented = self.payload()
        dates = {name: _zulu(value) for name, value in documented.items() if name.startswith("date") and value}
        source, destination = (self.other, self.line) if self.kind == INBOUND else (self.line, self.other)
        known = {"finalSource": source, "finalDestination": destination, "messageStatus": None}
        return {**documented, **dates, **known, "statusCode": 1 if self.kind == INBOUND else self.status_code}


def pacific(moment: datetime) -> str:
    """A time as the document's samples have it."""
    return moment.astimezone(_PACIFIC).isoformat(timespec="seconds")


def _stamp(moment: datetime | None) -> str | None:
    return pacific(moment) if moment else None


def _zulu(stamp: str) -> str:
    return datetime.fromisoformat(stamp).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def contact_id(number: str) -> int:
    """A contact's id: the same for the same number, and above 2^31."""
    return 3_000_000_000 + int(number[1:]) % 1_000_000_000


def device_id(line: str) -> int:
    """A line's id."""
    return 300_000_000 + int(line[1:]) % 100_000_000


def fingerprint(*numbers: str) -> str:
    """A conversation's id: the same for the same numbers."""
    return str(sum(int(number[1:]) for number in numbers) % 10_000_000_000)


class Texts:
    """Makes texts with rising ids, and remembers the latest."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._last_id = _FIRST_ID
        self._texts: OrderedDict[int, Text] = OrderedDict()

    def new_id(self) -> int:
        """An id above all before it."""
        self._last_id += self._world.ids.chance.randrange(1, 1 << 20)
        return self._last_id

    def new(self, line: str, other: str, body: str, kind: str, status_code: int) -> Text:
        """A text that is made now, between `line` and `other` (both E.164)."""
        text = Text(self.new_id(), line, other, body, kind, self._world.clock.now(), status_code)
        self._texts[text.id] = text
        while len(self._texts) > _REMEMBERED:
            self._texts.popitem(last=False)
        return text

    def get(self, text_id: int) -> Text | None:
        """The text of that id, if it is still remembered."""
        return self._texts.get(text_id)
