"""Traffic in all directions at once, for as long as a fault lasts, and the wait until all of it has ended."""

import random
import time
from typing import Any

from tests.battery.checker import Findings
from tests.system.inhouse import DESK, SUBSCRIBER, agree, followed, media, part
from tests.system.ledgers import compare
from tests.system.world import LINES, World

ALL_LINES = LINES + DESK
PICTURES = 0.5  # of the messages to a subscriber
COMPARED_EVERY = 0.5  # seconds
FRIEND, OTHER = "+12065550199", "+12065550177"


class Traffic:
    """Requests on three lines, texts in by poll, hook and message store, and texts from a subscriber's own phone.

    Args:
        made: the world.
        chance: makes it; the same one makes the same.
    """

    def __init__(self, made: World, chance: random.Random) -> None:
        self._made = made
        self._chance = chance
        self._rounds = 0
        self.requests = 0
        self.texts_in = 0

    async def prepare(self) -> None:
        """Relay has started: its web hooks stand, its subscriber agrees, and the message store is followed."""
        await self._made.listening()
        await self._made.hooked()
        await agree(self._made)
        await followed(self._made)

    async def round(self, requests: int = 3) -> None:
        """A little of everything, within a moment."""
        made, chance = self._made, self._chance
        self._rounds += 1
        for number in range(requests):
            line = chance.choice(("alerts", "office", "desk"))
            request_id = f"round-{self._rounds}-{number}"
            to = [f"+1206555{chance.randrange(2, 100):02}{place:02}" for place in range(chance.randrange(1, 4))]
            request: dict[str, Any] = {"id": request_id, "to": to, "text": f"text {request_id}"}
            if line == "desk" and number:
                request |= {"media": [media()]}
            await made.publish(f"relay/line/{line}/send", request)
            self._text_in(f"in {request_id}")
        shown = [part()] if self._rounds % 2 else []
        made.act("text-from-phone", to=FRIEND, text=f"phone {self._rounds}", parts=shown)
        self.requests += requests
        self.texts_in += requests

    def _text_in(self, text: str) -> None:
        """Somebody texts one of the lines; the subscriber's with a picture at times."""
        number_in = self._chance.choice(("12345", "+12065550100", SUBSCRIBER))
        if number_in == SUBSCRIBER:
            shown = [part()] if self._chance.random() < PICTURES else []
            self._made.act("receive", from_=FRIEND, text=text, parts=shown)
        else:
            self._made.text_in(OTHER if number_in == "12345" else FRIEND, number_in, text)

    async def settled(self, within: float = 90.0) -> Findings:
        """Wait until every request has ended and every text was heard, or told to be lost; then compare.

        The comparison takes its time, and AT&T waits for it, which is simulated beside it: so it is not made after each
        of thousands of events.
        """
        until = time.monotonic() + within
        while True:
            began = time.monotonic()
            findings = compare(self._made)
            took = time.monotonic() - began
            if findings.lost == 0:
                return findings
            if began > until:
                raise AssertionError(f"not all has ended within {within} s: {findings}")
            await self._made.relay.lives_for(max(COMPARED_EVERY, 4 * took))
