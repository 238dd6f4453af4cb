"""What AT&T's In-App Messaging can do, row by row, and what of relay's reaches it.

The OpenAPI file of In-App Messaging v2 has the first seven; the others are in published clients only, which is how
AT&T really serves them.
"""

from relay.providerkit.oauthendpoint import AUTHORIZE_PATH, REVOKE_PATH, TOKEN_PATH
from relay.providerkit.operations import Operation

_MESSAGES = "/myMessages/v2/messages"
_MESSAGE = _MESSAGES + "/{message_id}"
_OPENAPI = "OpenAPI of In-App Messaging v2, "
_CLIENTS = "published clients of In-App Messaging v2, "

SEND = Operation("Send Message", "POST", _MESSAGES, _OPENAPI + "sendMessage", "`relay/line/<line>/send` without media")
LIST = Operation(
    "List Messages", "GET", _MESSAGES, _OPENAPI + "listMessages", "`relay/line/<line>/list`; `sync` at its start"
)
GET = Operation("Get Message", "GET", _MESSAGE, _OPENAPI + "getMessage", "`relay/line/<line>/get`; `sync`")
UPDATE = Operation("Update Message", "PUT", _MESSAGE, _OPENAPI + "updateMessage", "`relay/line/<line>/update`")
DELETE = Operation("Delete Message", "DELETE", _MESSAGE, _OPENAPI + "deleteMessage", "`relay/line/<line>/delete`")
CREATE_INDEX = Operation(
    "Create Message Index", "POST", _MESSAGES + "/index", _OPENAPI + "createMessageIndex", "`sync`, where there is none"
)
DELTA = Operation(
    "Get Inbox Changes (delta)", "GET", "/myMessages/v2/delta", _OPENAPI + "getInboxDelta", "`sync`, `sync_interval`"
)
SEND_MMS = Operation(
    "Send Message (MMS with attachments)",
    "POST",
    _MESSAGES,
    _CLIENTS + "multipart/related",
    "`relay/line/<line>/send` with media",
)
GET_CONTENT = Operation(
    "Get Message Content", "GET", _MESSAGE + "/parts/{part_id}", _CLIENTS + "getMessageContent", "`sync`, for each MMS"
)
INDEX_INFO = Operation(
    "Get Message Index Info",
    "GET",
    _MESSAGES + "/index/info",
    _CLIENTS + "getMessageIndexInfo",
    "`sync`; `relay check`",
)
UPDATE_MANY = Operation(
    "Update Messages",
    "PUT",
    _MESSAGES,
    _CLIENTS + "updateMessages",
    "`relay/line/<line>/update`, several at the same time",
)
DELETE_MANY = Operation(
    "Delete Messages",
    "DELETE",
    _MESSAGES,
    _CLIENTS + "deleteMessages",
    "`relay/line/<line>/delete`, several at the same time",
)
AUTHORIZE = Operation(
    "OAuth: consent",
    "GET",
    AUTHORIZE_PATH,
    "OpenAPI of In-App Messaging v2, securitySchemes",
    "`relay auth login`: the subscriber's browser opens it",
)
CODE_GRANT = Operation(
    "OAuth: access token for a code", "POST", TOKEN_PATH, "OpenAPI of SMS v3, getAccessToken", "`relay auth login`"
)
REFRESH_GRANT = Operation(
    "OAuth: access token for a refresh token",
    "POST",
    TOKEN_PATH,
    "OpenAPI of SMS v3, getAccessToken",
    "any other operation, when its token is due; `relay check`",
)
REVOKE = Operation("OAuth: revoke", "POST", REVOKE_PATH, "published clients of OAuth v4", "`relay auth revoke`")

OPERATIONS: tuple[Operation, ...] = (
    SEND,
    LIST,
    GET,
    UPDATE,
    DELETE,
    CREATE_INDEX,
    DELTA,
    SEND_MMS,
    GET_CONTENT,
    INDEX_INFO,
    UPDATE_MANY,
    DELETE_MANY,
    AUTHORIZE,
    CODE_GRANT,
    REFRESH_GRANT,
    REVOKE,
)
