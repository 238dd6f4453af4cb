"""Events, as they happen, to whoever follows them."""

from aiohttp import web

from relay.bus.payloads import event as event_json
from relay.control.asking import BATCH
from relay.control.streams import Streams
from relay.journal import Journal

_LONGEST_POSITION = 18  # digits


class FollowingRoutes:
    """/events."""

    def __init__(self, journal: Journal, streams: Streams) -> None:
        self._journal = journal
        self._streams = streams

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [web.get("/events", self._events)]

    async def _events(self, request: web.Request) -> web.StreamResponse:
        asked = request.query.get("after", "")
        newest = await self._journal.events.last_position()
        position = min(int(asked), newest) if asked.isdecimal() and len(asked) <= _LONGEST_POSITION else newest
        response = await self._streams.begin(request)
        # An empty line says that the following has begun: what is sent after it will be seen.
        await response.write(b"\n")
        await self._streams.go_on(self._follow(position, response))
        return response

    async def _follow(self, position: int, response: web.StreamResponse) -> None:
        bell = self._journal.listen("events")
        while True:
            batch = await self._journal.events.follow(position, BATCH)
            if not batch:
                await bell.wait()
                continue
            await response.write(b"".join(event_json(event) + b"\n" for _, event in batch))
            position = batch[-1][0]
