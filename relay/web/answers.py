"""The short answers that every listener gives."""

from aiohttp import web


def not_found() -> web.Response:
    """The one answer to whatever is not there, or must not be known to be there."""
    return last(404, "not found\n")


def not_http() -> web.Response:
    """The answer to what is no HTTP."""
    return last(400, "not HTTP\n")


def last(status: int, text: str) -> web.Response:
    """An answer after which the connection is closed: what follows on it is not worth reading."""
    response = web.Response(status=status, text=text)
    response.force_close()
    return response
