"""Every operation of the Landline Texting documentation, and what of relay's reaches it.

The samples of the documentation read with GET and put the session into the query. Every call takes a POST with a form
as well (wire facts, 4.1), and relay uses that, so that the session is in no address; `messaging/send` is the exception.
"""

from relay.providerkit.operations import Operation

_SOURCE = "Landline Texting documentation, "
_SEND = "`relay/line/<line>/send`"
_HOOKS = "`relay webhooks {verb}`, and the setting `webhooks.public_url`"


def _call(name: str, path: str, section: str, reached_by: str) -> Operation:
    return Operation(name, "POST", path, _SOURCE + section, reached_by)


def _callback(event: str, reached_by: str) -> Operation:
    path = f"/hooks/{{line}}/{{secret}}/{event.lower()}"
    return Operation(f"Event {event}", "POST", path, _SOURCE + "Events", reached_by, is_callback=True)


SEND_TO_ONE = _call(
    "Send to One Individual Contact",
    "/message/send",
    "Send to One Individual Contact",
    f"{_SEND} with a text of at most 250 bytes",
)
SEND_TO_MANY = _call(
    "Send to Multiple Individual Contacts",
    "/message/send",
    "Send to Multiple Individual Contacts",
    f"{_SEND} with several recipients: 15 a call",
)
SEND_SCHEDULED = _call(
    "Send a Scheduled Message",
    "/message/send",
    "Send a Scheduled Message",
    f'{_SEND} with `send_at`, where the line\'s setting `scheduling` is `"provider"`',
)
SEND_MMS = _call(
    "MMS Send",
    "/messaging/send",
    "MMS Send",
    f"{_SEND} with `media`, or a text of more than 250 bytes, unless the line's setting `mms` is `false`",
)
LIST_ATTACHMENTS = _call(
    "MMS Retrieve Process",
    "/messageAttachment/list",
    "MMS Retrieve Process",
    "every text that says it has attachments; `relay/line/<line>/message` lists them as `media`",
)
GET_CONTENT = _call(
    "Retrieve Hosted Content",
    "/hostedContent/get",
    "Retrieve Hosted Content",
    "every attachment of a text; it comes as `media` of `relay/line/<line>/message`",
)
ADD_HOOK = _call("Install Web Hooks", "/webhook/add", "Install Web Hooks", _HOOKS.format(verb="install"))
LIST_HOOKS = _call("List Web Hooks", "/webhook/list", "List Web Hooks", "`relay webhooks list`, `relay check`")
UPDATE_HOOK = _call("Update Web Hooks", "/webhook/update", "Update Web Hooks", _HOOKS.format(verb="repair"))
DELETE_HOOK = _call("Delete Web Hooks", "/webhook/delete", "Delete Web Hooks", "`relay webhooks remove`")
LOGIN = _call(
    "user/login", "/user/login", "Install Web Hooks (session)", "the line's settings `username` and `password`"
)

OPERATIONS: tuple[Operation, ...] = (
    SEND_TO_ONE,
    SEND_TO_MANY,
    SEND_SCHEDULED,
    SEND_MMS,
    LIST_ATTACHMENTS,
    GET_CONTENT,
    ADD_HOOK,
    LIST_HOOKS,
    UPDATE_HOOK,
    DELETE_HOOK,
    LOGIN,
    _callback("Receive", "`relay/line/<line>/message`"),
    _callback("Send", "`relay/line/<line>/receipt`, `relay/line/<line>/event/sent-elsewhere`"),
    _callback("Progress", "`relay/line/<line>/receipt`"),
    _callback("Read", "`relay/line/<line>/event/read`"),
    _callback("Delete", "`relay/line/<line>/event/deleted`"),
)
