"""AT&T's error answers: the RequestError envelope, in both spellings."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

_POLICY = (
    "A policy error occurred. For more information, please contact support with the following policy error message: %1"
)
_SERVICE = "Invalid input value for Message part %1"

TEXTS = {
    "SVC0001": "A service error has occurred. Error code is %1",
    "SVC0002": _SERVICE,
    "SVC0004": "No valid addresses provided in message part %1",
    "POL0001": _POLICY,
    "POL0013": "Duplicate addresses in message part %1",
}


def envelope(code: str, variables: str, spelling: str) -> dict[str, Any]:
    """The body of an error answer; `spelling` is `upper` (documented) or `lower` (seen)."""
    kind = "PolicyException" if code.startswith("POL") else "ServiceException"
    inner = {"MessageId": code, "Text": TEXTS[code], "Variables": variables}
    if spelling == "upper":
        return {"RequestError": {kind: inner}}
    return {"requestError": {_lower(kind): {_lower(name): value for name, value in inner.items()}}}


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


class SmsError(Exception):
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

    def answer(self, spelling: str) -> web.Response:
        """The answer itself."""
        body = envelope(self.code, self.variables, spelling)
        return web.json_response(body, status=self.status, headers=self.headers)
