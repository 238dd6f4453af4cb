"""How Landline Texting says no (Landline document, Status Codes: Message Not Sent)."""

from aiohttp import web

STOPPED = -1234
INTERNAL = -855
SPAM = -801
BAD_ARGUMENTS = -703
NO_CARRIER = -124
UNKNOWN = -1

_DESCRIPTIONS = {
    STOPPED: "Recipient sent STOP message",
    INTERNAL: "Internal Error",
    SPAM: "Spam Protection",
    BAD_ARGUMENTS: "Bad arguments",
    NO_CARRIER: "Unable to determine carrier",
    UNKNOWN: "Unknown Error",
}


class LandlineError(Exception):
    """A request is to be answered with a code of the table above."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def answer(self, http: int) -> web.Response:
        """The answer itself."""
        body = {"response": {"code": self.code, "desc": _DESCRIPTIONS[self.code]}, "success": False}
        return web.json_response(body, status=http)


def no_session() -> web.Response:
    """The answer to a session that is not one, or not any more."""
    return web.json_response({"response": "Unauthorized", "success": False}, status=403)
