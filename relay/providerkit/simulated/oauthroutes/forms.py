"""A request of OAuth's -> its fields, whatever the bytes."""

from aiohttp import web

FORM = "application/x-www-form-urlencoded"


async def fields(request: web.Request) -> dict[str, str]:
    """The form of a POST, the query of a GET; empty for what is neither."""
    if request.method == "GET":
        return dict(request.query)
    if request.content_type != FORM:
        return {}
    try:
        return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    except (UnicodeDecodeError, ValueError, LookupError):
        return {}
