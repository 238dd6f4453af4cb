"""relay check -> public address -> this relay: the proof that what is called there arrives here.

Who asks shows that they know a line's secret, without showing it, and is answered with what only somebody who knows it
can say. Nothing is kept of it, so that any node of a relay can answer; every other question is nobody's page.
"""

from collections.abc import Callable, Sequence

from aiohttp import web

from relay.hookaddresses import proof

_PATH_PARTS = 5  # "", "hooks", line, seal, "check"


class ReachRoute:
    """Answers `GET /hooks/<line>/<seal>/check`.

    Args:
        secrets: the secrets that a line's addresses are taken under; None where there is no such line.
    """

    def __init__(self, secrets: Callable[[str], Sequence[str] | None]) -> None:
        self._secrets = secrets

    async def __call__(self, request: web.BaseRequest) -> web.Response | None:
        """The proof; None for whatever else is asked."""
        parts = request.rel_url.raw_path.split("/")
        if request.method != "GET" or len(parts) != _PATH_PARTS or (parts[1], parts[4]) != ("hooks", "check"):
            return None
        answer = proof(parts[3], self._secrets(parts[2]))
        return None if answer is None else web.Response(text=f"{answer}\n", headers={"Cache-Control": "no-store"})
