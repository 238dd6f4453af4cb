"""Domain values -> bytes -> domain values: the bodies of In-App Messaging v2, but for messages themselves. Pure.

Bodies are written as the OpenAPI file has them, and read as documented or as published clients were served:
`messageResultSet` or `messageList`, changes in three lists or by type, entries as objects or as plain ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from relay.domain.addresses import tel_uri
from relay.domain.charset import fits_latin1
from relay.domain.mailbox import MailChanges, MailEntry, MailPage
from relay.domain.messages import Media, OutboundCall
from relay.providerkit.parse import Unreadable, as_count, as_id, as_list, as_object, as_time, understood
from relay.providers.att_inapp.codes import Index, index_standing

LONGEST_SMS = 160  # characters of ISO-8859-1 (In-App FAQ, "What do I need to do to ensure …")
LONGEST_ID = 1024
_LONGEST_STATE = 65_536


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """How a message index stands. `state` is where changes can be followed from."""

    standing: Index
    status: str
    state: str | None = field(default=None, repr=False)
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the store, and how it says its index stands, where it does."""

    page: MailPage
    index: Index | None


def goes_as_sms(text: str | None, *, subject: str | None, media: Sequence[Media], group: bool) -> bool:
    """Whether AT&T sends this as SMS: a plain text of Latin-1 that is short enough (In-App FAQ); else as MMS."""
    return not (group or subject or media) and len(text or "") <= LONGEST_SMS and fits_latin1(text or "")


def send_body(call: OutboundCall, group_flags: Sequence[str]) -> bytes:
    """The body of a send (OpenAPI, SendMessageRequest).

    Args:
        call: what to send. A group of one is none: AT&T refuses the flag there.
        group_flags: under which names a group is marked, and several recipients that are none.
    """
    several = len(call.recipients) > 1
    request: dict[str, Any] = {"addresses": [tel_uri(recipient.address) for recipient in call.recipients]}
    request |= {"text": call.text} if call.text else {}
    request |= {"subject": call.subject} if call.subject else {}
    request |= dict.fromkeys(group_flags, call.group) if several else {}
    return to_json({"messageRequest": request})


def read_sent(body: bytes) -> str | None:
    """The id in the answer to a send, which is good for tracing alone: it is no message's (published clients).

    Raises:
        Malformed: the answer is none to a send.
    """
    return understood(body, "a send answer", _sent)


def update_body(*, is_unread: bool) -> bytes:
    """The body of an update (OpenAPI, UpdateMessageRequest)."""
    return to_json({"message": {"isUnread": is_unread}})


def updates_body(changes: Mapping[str, bool]) -> bytes:
    """The body of an update of several messages: for each id whether it is unread (published clients)."""
    messages = [{"messageId": ref, "isUnread": is_unread} for ref, is_unread in changes.items()]
    return to_json({"messages": messages})


def read_index(body: bytes) -> IndexInfo:
    """How the index stands (OpenAPI, MessageIndexResponse); raises Malformed."""
    return understood(body, "an index", _index)


def read_list(body: bytes, offset: int) -> Listing:
    """A page of the store, asked for from `offset` (OpenAPI, MessageListResponse); raises Malformed."""
    return understood(body, "a message list", lambda value: _listing(value, offset))


def read_changes(cursor: str, body: bytes) -> MailChanges:
    """What changed since `cursor` (OpenAPI, DeltaResponse); raises Malformed."""
    return understood(body, "a delta", lambda value: _changes(cursor, value))


def entry_of(found: Mapping[str, Any]) -> MailEntry:
    """What an entry, or a message, says of itself; raises Unreadable where it has no id."""
    return MailEntry(
        ref=_ref(found.get("messageid")),
        is_unread=as_flag(found.get("isunread")),
        is_incoming=as_flag(found.get("isincoming")),
        time=as_time(found.get("timestamp")),
    )


def as_flag(value: Any) -> bool | None:
    """Yes or no, also as text or number; None for anything else."""
    word = value.strip().lower() if isinstance(value, str) else value
    if word in (True, "true", "1"):
        return True
    return False if word in (False, "false", "0") else None


def _sent(value: Any) -> str | None:
    answer = as_object(value, "the body")
    found = as_id(answer.get("id"))
    if found is None and "resourceurl" not in answer:
        raise Unreadable("the body must have id or resourceURL (in any case)")
    return found


def _index(value: Any) -> IndexInfo:
    info = as_object(as_object(value, "the body").get("messageindexinfo"), "messageIndexInfo")
    status = as_id(info.get("status"))
    if status is None:
        raise Unreadable("status must be a text")
    count = as_count(info["messagecount"]) if info.get("messagecount") is not None else None
    return IndexInfo(index_standing(status), status, _state(info.get("state")), count)


def _listing(value: Any, offset: int) -> Listing:
    body = as_object(value, "the body")
    name = next((name for name in ("messagelist", "messageresultset") if name in body), "messagelist")
    found = as_object(body.get(name), "messageList (or messageResultSet)")
    entries = tuple(entry_of(as_object(one, "a message")) for one in as_list(found.get("messages")))
    named = found.get("total", found.get("totalcount"))
    # Where no total is named there may be more for as long as there is something.
    total = as_count(named) if named is not None else offset + len(entries) + bool(entries)
    total = max(total, offset + len(entries))
    status = as_id(found.get("cachestatus"))
    page = MailPage(entries, total, offset, _state(found.get("state")))
    return Listing(page, index_standing(status) if status else None)


def _changes(cursor: str, value: Any) -> MailChanges:
    found = as_object(as_object(value, "the body").get("deltaresponse"), "deltaResponse")
    groups = [as_object(group, "delta") for group in as_list(found.get("delta"))]

    def entries(documented: str, served: str) -> tuple[MailEntry, ...]:
        lists = [found.get(documented), *(group.get(served) for group in groups)]
        return _once(_entry(one) for values in lists for one in as_list(values))

    return MailChanges(
        cursor=_state(found.get("state")) or cursor,
        added=entries("addedmessages", "adds"),
        updated=entries("updatedmessages", "updates"),
        deleted=tuple(entry.ref for entry in entries("deletedmessages", "deletes")),
    )


def _entry(value: Any) -> MailEntry:
    return entry_of(value) if isinstance(value, dict) else MailEntry(_ref(value))


def _once(entries: Any) -> tuple[MailEntry, ...]:
    return tuple({entry.ref: entry for entry in entries}.values())


def _ref(value: Any) -> str:
    ref = as_id(value)
    if ref is None or len(ref) > LONGEST_ID:
        raise Unreadable(f"messageId must be a text of at most {LONGEST_ID} characters")
    return ref


def _state(value: Any) -> str | None:
    # Opaque: it goes back as it came, blanks and all.
    state = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if state is None or state == "":
        return None
    if not isinstance(state, str) or len(state) > _LONGEST_STATE:
        raise Unreadable(f"state must be a text of at most {_LONGEST_STATE} characters")
    return state
