"""A subscriber's consent: the running relay keeps it, and is asked."""

from typing import Any

import aiohttp
from pydantic_core import from_json

from relay.cli.findings import Finding, good, wrong
from relay.cli.words import moment
from relay.settings import Settings

_WHY = "the line can neither send nor receive until its subscriber agrees"


async def look_at_consent(alias: str, settings: Settings) -> Finding:
    """Whether the line's subscriber has agreed."""
    cure = f"run: relay auth login {alias}"
    if not settings.webhooks.public_url:
        cure = f"set webhooks.public_url, where the provider sends the subscriber's browser back to; then {cure}"
    try:
        standing = await _standing(alias, settings)
    except (aiohttp.ClientError, OSError, ValueError):
        return good(alias, f"whether its subscriber has agreed is known once relay runs; if not, {cure}")
    if standing is None or not standing["given"]:
        reason = f" ({standing['reason']})" if standing and standing["reason"] else ""
        return wrong(alias, f"its subscriber has not agreed{reason}", _WHY, cure)
    until = f", and can be renewed until {moment(standing['renewable_until'])}" if standing["renewable_until"] else ""
    return good(alias, f"its subscriber has agreed{until}")


async def _standing(alias: str, settings: Settings) -> dict[str, Any] | None:
    connector = aiohttp.UnixConnector(str(settings.admin.socket))
    async with aiohttp.ClientSession("http://relay", connector=connector) as http, http.get("/auth") as answer:
        found = from_json(await answer.read())
    return next((standing for standing in found if standing["line"] == alias), None)
