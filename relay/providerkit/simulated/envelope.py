"""AT&T's error answers, for every API of api.att.com: the RequestError envelope, in both spellings, as JSON or XML."""

from collections.abc import Mapping
from typing import Any, Literal

from aiohttp import web

from relay.providerkit.simulated.xmlform import to_xml

Spelling = Literal["upper", "lower"]

_POLICY = (
    "A policy error occurred. For more information, please contact support with the following policy error message: %1"
)

TEXTS = {
    "SVC0001": "A service error has occurred. Error code is %1",
    "SVC0002": "Invalid input value for Message part %1",
    "SVC0003": "Invalid input value for Message part %1, valid values are %2",
    "SVC0004": "No valid addresses provided in message part %1",
    "SVC0283": "Delivery Receipt Notification not supported",
    "POL0001": _POLICY,
    "POL0002": "Privacy verification failed for address %1. Request is refused",
    "POL0003": "Too many addresses specified in message part %1",
    "POL0013": "Duplicate addresses in message part %1",
}


def envelope(code: str, variables: str, spelling: Spelling) -> dict[str, Any]:
    """The body of an error answer; `spelling` is `upper` (documented) or `lower` (seen)."""
    kind = "PolicyException" if code.startswith("POL") else "ServiceException"
    inner = {"MessageId": code, "Text": TEXTS[code], "Variables": variables}
    if spelling == "upper":
        return {"RequestError": {kind: inner}}
    return {"requestError": {_lower(kind): {_lower(name): value for name, value in inner.items()}}}


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


class ApiError(Exception):
    """A request is to be answered with an error of AT&T's.

    Args:
        status: the HTTP status.
        code: a key of TEXTS.
        variables: what goes in the place of `%1`.
        headers: to be sent along.
    """

    def __init__(self, status: int, code: str, variables: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.variables = variables
        self.headers = headers

    def answer(self, spelling: Spelling, *, xml: bool = False) -> web.Response:
        """The answer itself; as XML where that was asked for (Accept governs errors: SMS documentation)."""
        body = envelope(self.code, self.variables, spelling)
        if not xml:
            return web.json_response(body, status=self.status, headers=self.headers)
        ((root, inner),) = body.items()
        text = to_xml(root, inner)
        return web.Response(text=text, status=self.status, headers=self.headers, content_type="application/xml")


def wrong(part: str) -> ApiError:
    """What a request gets wrong in `part` (OpenAPI of SMS v3 and of In-App Messaging, the 400s)."""
    return ApiError(400, "SVC0002", part)
