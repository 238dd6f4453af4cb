"""Messages of a provider's <-> what the journal keeps of them while something is awaited. No SQL."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from relay.domain.addresses import Address, AddressKind
from relay.domain.mailbox import Mail
from relay.domain.messages import InboundMessage, Part, Segment, Sighting
from relay.domain.states import Fact
from relay.journal.codec import problem_in
from relay.journal.columns import as_json
from relay.journal.sums import sum_of


def mail_row(mail: Mail) -> dict[str, Any]:
    """The columns that keep `mail`: itself and its checksum."""
    kept = mail_out(mail)
    return {"mail": kept, "sum": sum_of(kept)}


def mail_of(row: Any) -> Mail | None:
    """What was kept by `mail_row`; None where there is none, or where it is damaged."""
    return None if row.mail is None or sum_of(row.mail) != row.sum else mail_in(row.mail)


def mail_out(mail: Mail) -> bytes:
    """A message to be kept."""
    common = {
        "text": mail.text,
        "subject": mail.subject,
        "ref": mail.ref,
        "parts": [_part_out(part) for part in mail.parts],
        "has_parts": mail.has_parts,
        "provider_time": mail.provider_time and mail.provider_time.isoformat(),
        "provider": dict(mail.provider),
        "segment": mail.segment and [mail.segment.group, mail.segment.place, mail.segment.total],
    }
    if isinstance(mail, Sighting):
        return as_json({**common, "to": [_address_out(one) for one in mail.to], "fact": mail.fact.value})
    own = {"recipient": mail.recipient, "dedupe_key": mail.dedupe_key}
    return as_json({**common, **own, "sender": _address_out(mail.sender)})


def mail_in(kept: bytes) -> Mail:
    """A message that was kept."""
    said: dict[str, Any] = json.loads(kept)
    said["parts"] = tuple(_part_in(part) for part in said["parts"])
    said["provider_time"] = said["provider_time"] and datetime.fromisoformat(said["provider_time"]).astimezone(UTC)
    place = said.pop("segment", None)
    said["segment"] = place and Segment(*place)
    if "sender" not in said:
        to = tuple(_address_in(one) for one in said.pop("to"))
        return Sighting(**{**said, "to": to, "fact": Fact(said["fact"])})
    sender = _address_in(said.pop("sender"))
    return InboundMessage(**said, sender=sender)


def _address_out(address: Address) -> list[str]:
    return [address.kind.value, address.value, address.raw]


def _address_in(kept: list[str]) -> Address:
    return Address(AddressKind(kept[0]), *kept[1:])


def _part_out(part: Part) -> dict[str, Any]:
    return {
        "content_type": part.content_type,
        "filename": part.filename,
        "ref": part.ref,
        "size": part.size,
        "data": None if part.data is None else b64encode(part.data).decode("ascii"),
        "token": part.token,
        "href": part.href,
        "problem": part.problem.as_body() if part.problem else None,
    }


def _part_in(kept: Mapping[str, Any]) -> Part:
    data = None if kept["data"] is None else b64decode(kept["data"])
    return Part(**{**kept, "data": data, "problem": problem_in(kept["problem"])})
