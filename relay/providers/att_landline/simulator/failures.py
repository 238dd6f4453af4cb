"""How Landline Texting says no (Landline document, Status Codes: Message Not Sent; MMS Send)."""

from aiohttp import web

STOPPED = -1234
INTERNAL = -855
SPAM = -801
BAD_ARGUMENTS = -703
NO_CARRIER = -124
UNKNOWN = -1

DESCRIPTIONS = {
    STOPPED: "Recipient sent STOP message",
    INTERNAL: "Internal Error",
    SPAM: "Spam Protection",
    BAD_ARGUMENTS: "Bad arguments",
    NO_CARRIER: "Unable to determine carrier",
    UNKNOWN: "Unknown Error",
}

_TOO_LARGE = """<html>
  <head><title>413 Request Entity Too Large</title></head>
  <body bgcolor="white">
      <center><h1>413 Request Entity Too Large</h1></center>
      <hr><center>nginx</center>
   </body>
</html>
"""


class LandlineError(Exception):
    """A request is to be answered with a code of the table above."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def answer(self, http: int) -> web.Response:
        """The answer itself."""
        body = {"response": {"code": self.code, "desc": DESCRIPTIONS[self.code]}, "success": False}
        return web.json_response(body, status=http)


class MmsError(Exception):
    """messaging/send is to be answered with a description: it has no codes."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description

    def answer(self, http: int) -> web.Response:
        """The answer itself."""
        return web.json_response({"success": False, "errorDesc": self.description}, status=http)


class TooLarge(Exception):  # noqa: N818 - it says what the request is
    """A request is to be answered by the web server in front of the service."""

    def answer(self, _http: int) -> web.Response:
        """The page."""
        return web.Response(status=413, text=_TOO_LARGE, content_type="text/html")


def no_session() -> web.Response:
    """The answer to a session that is not one, or not any more."""
    return web.json_response({"response": "Unauthorized", "success": False}, status=403)
