"""A browser that comes back from the provider's consent page -> the login that waits for it, and a page in plain words.

The page holds nothing of what was asked for, loads nothing, and is kept nowhere.
"""

from collections.abc import Callable, Sequence
from html import escape

from aiohttp import web

from relay.consent import Consents, Returned
from relay.hookaddresses import opens

_PATH_PARTS = 4  # "", "consent", line, secret

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_SAYS = {
    Returned.GIVEN: (200, "Consent was given", "relay may now use this number. You can close this page."),
    Returned.REFUSED: (
        200,
        "Consent was not given",
        "Nothing was changed. The person who asked for it sees why. You can close this page.",
    ),
    Returned.FAILED: (
        502,
        "It did not work",
        "The provider could not be asked, and nothing was changed. Whoever asked for it has to begin again.",
    ),
    Returned.FOREIGN: (
        400,
        "This page is out of date",
        "It belongs to an address that was given out before. Open the newest one.",
    ),
    Returned.EMPTY: (
        400,
        "Something is missing",
        "This page is opened by the provider, after consent was given or refused. Begin with the address you got.",
    ),
}


class ConsentRoute:
    """Answers `GET /consent/<line>/<secret>`, for as long as a login of that line waits.

    Args:
        consents: every line's logins.
        secrets: the secrets that a line's addresses are taken under; None where there is no such line.
    """

    def __init__(self, consents: Consents, secrets: Callable[[str], Sequence[str] | None]) -> None:
        self._consents = consents
        self._secrets = secrets

    async def __call__(self, request: web.BaseRequest) -> web.Response | None:
        """The page; None for whatever is not such an address, or is not open."""
        parts = request.rel_url.raw_path.split("/")
        if request.method != "GET" or len(parts) != _PATH_PARTS or parts[1] != "consent":
            return None
        _, _, line, secret = parts
        if not opens(secret, self._secrets(line)):
            return None
        returned = await self._consents.returned(line, request.rel_url.query)
        return None if returned is None else _page(returned)


def _page(returned: Returned) -> web.Response:
    status, title, words = _SAYS[returned]
    text = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title></head>\n<body><h1>{escape(title)}</h1><p>{escape(words)}</p></body>\n</html>\n"
    )
    return web.Response(status=status, text=text, content_type="text/html", charset="utf-8", headers=_HEADERS)
