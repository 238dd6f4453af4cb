"""People are forgotten. Their numbers come in the body alone; the answer counts, and names nobody."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from aiohttp import web

from relay.control.asking import BATCH, Controls, Unanswerable, asked_of
from relay.control.streams import Streams, line_of
from relay.domain.addresses import Address, InvalidAddress
from relay.journal import JournalError


class ForgetRoutes:
    """/forget."""

    def __init__(self, controls: Controls, streams: Streams) -> None:
        self._people = controls.people
        self._streams = streams

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [web.post("/forget", self._forget)]

    async def _forget(self, request: web.Request) -> web.StreamResponse:
        listed = (await asked_of(request)).get("addresses")
        if not isinstance(listed, list) or len(listed) > BATCH:
            raise Unanswerable(400, f"addresses must be a list of at most {BATCH}")
        people, refused = self._read(listed)
        # It takes a while where the journal is large: that it is being done is said at once.
        response = await self._streams.begin(request)
        await self._streams.go_on(self._write(response, people, refused))
        return response

    def _read(self, listed: Sequence[Any]) -> tuple[list[Address], list[dict[str, Any]]]:
        people: dict[Address, None] = {}
        refused: list[dict[str, Any]] = []
        for place, text in enumerate(listed):
            try:
                people[self._people.named(text if isinstance(text, str) else "")] = None
            except InvalidAddress as error:
                refused.append({"place": place, "why": str(error)})
        return list(people), refused

    async def _write(
        self, response: web.StreamResponse, people: Sequence[Address], refused: Sequence[dict[str, Any]]
    ) -> None:
        try:
            said = asdict(await self._people.forget(people))
        except JournalError as error:
            said = {"error": str(error)}
        await response.write(line_of({"people": len(people), **said, "refused": refused}))
        await response.write_eof()
