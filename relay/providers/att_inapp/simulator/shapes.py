"""The bodies of In-App answers: as the OpenAPI has them, and as the kits were served."""

from collections.abc import Iterable, Sequence
from typing import Any

from relay.providers.att_inapp.simulator.addresses import shown
from relay.providers.att_inapp.simulator.index import Standing
from relay.providers.att_inapp.simulator.mail import MMS, TEXT, MailPart, StoredMail
from relay.providers.att_inapp.simulator.modes import InAppModes
from relay.providers.att_inapp.simulator.store import Change, What

ELSEWHERE = "http://ewr2-api.att.invalid:8080"  # URLs name a host that is not to be called
_DOCUMENTED_STANDING = {Standing.BUILDING: "IN_PROGRESS", Standing.READY: "COMPLETE"}

Body = dict[str, Any]


def sent_body(send_id: str, modes: InAppModes) -> Body:
    """The answer to a send."""
    if modes.shape == "served":
        return {"id": send_id}
    return {"id": send_id, "resourceURL": f"{ELSEWHERE}/myMessages/v2/messages/{send_id}"}


def index_body(standing: Standing, state: str | None, count: int, modes: InAppModes, *, created: bool = False) -> Body:
    """How an index stands. The document's own example of a creation says INITIALIZED where it is complete."""
    status: str = standing
    if modes.shape == "documented" and not (created and standing is Standing.READY):
        status = _DOCUMENTED_STANDING.get(standing, standing)
    info: Body = {"status": status, "state": state, "messageCount": count}
    if modes.shape == "documented":
        del info["messageCount"]
    if state is None:
        del info["state"]
    return {"messageIndexInfo": info}


def message_body(mail: StoredMail, modes: InAppModes) -> Body:
    """The answer to Get Message."""
    return {"message": _served(mail, modes) if modes.shape == "served" else _detail(mail, modes)}


def list_body(found: Sequence[StoredMail], page: Body, state: str, failed: Sequence[str], modes: InAppModes) -> Body:
    """A page of messages; `page` has offset, limit and total."""
    if modes.shape == "documented":
        total = page["total"]
        where = {"totalCount": total, "offset": page["offset"], "limit": page["limit"]}
        return {"messageResultSet": {"messages": [_summary(mail, modes) for mail in found], **where}}
    body = {"messages": [_served(mail, modes) for mail in found], **page, "state": state}
    body["cacheStatus"] = Standing.READY
    if failed:
        body["failedMessages"] = list(failed)
    return {"messageList": body}


def delta_body(changes: Sequence[Change], state: str, modes: InAppModes) -> Body:
    """The changes since a state, and the state after them."""
    if modes.shape == "served":
        delta = [_served_delta(kind, changes, modes) for kind in (TEXT, MMS)]
        return {"deltaResponse": {"state": state, "delta": delta}}
    lists = {
        "addedMessages": [_glimpse(mail, modes) for mail in _those("add", changes)],
        "updatedMessages": [_glimpse(mail, modes) for mail in _those("update", changes)],
        "deletedMessages": [mail.id for mail in _those("delete", changes)],
    }
    return {"deltaResponse": {**_without_empty(lists, modes), "state": state}}


def _those(what: What, changes: Iterable[Change]) -> Iterable[StoredMail]:
    return (change.mail for change in changes if change.what == what)


def _served_delta(kind: str, changes: Iterable[Change], modes: InAppModes) -> Body:
    own = [change for change in changes if change.mail.type == kind]
    lists = {
        "adds": [_flags(mail) for mail in _those("add", own)],
        "deletes": [_flags(mail) for mail in _those("delete", own)],
        "updates": [_flags(mail) for mail in _those("update", own)],
    }
    return {"type": kind, **_without_empty(lists, modes)}


def _without_empty(lists: Body, modes: InAppModes) -> Body:
    match modes.empty_lists:
        case "null":
            return {name: entries or None for name, entries in lists.items()}
        case "missing":
            return {name: entries for name, entries in lists.items() if entries}
        case _:
            return lists


def _flags(mail: StoredMail) -> Body:
    return {"messageId": mail.id, "isUnread": mail.unread, "isFavorite": mail.favorite}


def _glimpse(mail: StoredMail, modes: InAppModes) -> Body:
    """A message in a documented delta: its example shows neither recipients nor the direction."""
    summary = _summary(mail, modes)
    return {name: summary[name] for name in ("messageId", "from", "isUnread", "type", "timeStamp")}


def _summary(mail: StoredMail, modes: InAppModes) -> Body:
    return {
        "messageId": mail.id,
        "from": shown(mail.new.sender, modes.shape),
        "recipients": [shown(address, modes.shape) for address in mail.new.recipients],
        "isUnread": mail.unread,
        **_direction(mail, modes),
        "type": mail.type,
        "typeCode": "2" if mail.new.is_mms else "1",
        "timeStamp": _stamp(mail, modes),
    }


def _detail(mail: StoredMail, modes: InAppModes) -> Body:
    """The OpenAPI's; what it forgets, the parts and the place in a longer text, stands as it was seen."""
    texts = {"text": mail.new.text, "subject": mail.new.subject}
    body = _summary(mail, modes) | {name: text for name, text in texts.items() if text is not None}
    if mail.new.is_mms:
        body["mmsContent"] = _contents(mail, modes)
    if mail.new.segment:
        body["typeMetaData"] = _meta(mail)
    return body


def _served(mail: StoredMail, modes: InAppModes) -> Body:
    body: Body = {
        "messageId": mail.id,
        "from": {"value": mail.new.sender},
        "recipients": [{"value": address} for address in mail.new.recipients],
        "timeStamp": _stamp(mail, modes),
        "isFavorite": mail.favorite,
        "isUnread": mail.unread,
        **_direction(mail, modes),
        "type": mail.type,
        "typeMetaData": _meta(mail),
    }
    return body | ({"mmsContent": _contents(mail, modes)} if mail.new.is_mms else {"text": mail.new.text or ""})


def _direction(mail: StoredMail, modes: InAppModes) -> Body:
    match modes.incoming_as:
        case "missing":
            return {}
        case "string":
            return {"isIncoming": "true" if mail.new.incoming else "false"}
        case _:
            return {"isIncoming": mail.new.incoming}


def _stamp(mail: StoredMail, modes: InAppModes) -> str:
    zoned = modes.times == "zoned" or (modes.times == "shape" and modes.shape == "documented")
    return mail.new.time.strftime("%Y-%m-%dT%H:%M:%S") + ("Z" if zoned else "")


def _meta(mail: StoredMail) -> Body:
    meta: Body = {"subject": mail.new.subject} if mail.new.subject is not None else {}
    if not mail.new.is_mms:
        meta["isSegmented"] = mail.new.segment is not None
    if segment := mail.new.segment:
        meta["segmentationDetails"] = {
            "segmentationMsgRefNumber": segment.ref,
            "totalNumberOfParts": segment.total,
            "thisPartNumber": segment.place,
        }
    return meta


def _contents(mail: StoredMail, modes: InAppModes) -> list[Body]:
    """The parts of an MMS; documented, its text is no part of them, as it stands in the message."""
    host = ELSEWHERE if modes.content_urls == "foreign" else ""
    return [
        _content(part, host + mail.part_path(place))
        for place, part in enumerate(mail.new.parts)
        if not (part.is_text_of_message and modes.shape == "documented")
    ]


def _content(part: MailPart, url: str) -> Body:
    return {"contentName": part.name, "contentType": part.content_type, "contentUrl": url, "type": part.kind}
