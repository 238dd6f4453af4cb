"""The story: what texts do, each thing seen on the bus as any program would see it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from relay.demo.subscriber import DESK, FRIEND, Subscriber
from relay.demo.telling import Teller
from relay.demo.trouble import Trouble
from relay.demo.world import LANDLINE, SHORT_CODE, World

ALERTS, OFFICE = "relay/line/alerts", "relay/line/office"
SOMEBODY = "+12065550142"
REPLIES = "+12065550116"  # to the simulator, a number that ends in 16 is one that answers YES

_WITHIN = 20.0  # seconds for each step; most take less than one
_RECEIPTS_WITHIN = 40.0
_THERE = ("online", "degraded")
_ORDER: Mapping[str, Any] = {"id": "order-1234-shipped", "text": "Your order is on its way."}


def phones(count: int) -> list[str]:
    """So many numbers from the range that is kept for fiction; the last two of them cannot be reached."""
    reached = [f"+1{area}555{place:04}" for area in (312, 415) for place in range(130, 200)]
    return [*reached[: count - 2], "+12065550113", "+13125550113"]


@dataclass
class Story:
    """Plays it. Every step raises Trouble where what it waits for does not happen."""

    world: World
    tell: Teller
    requested: list[tuple[str, str]] = field(default_factory=list)
    finals: Counter[str] = field(default_factory=Counter)

    async def play(self) -> None:
        """All of it."""
        await self._relay_is_there()
        await self._many_are_texted()
        await self._somebody_texts("Are you open today?", keyword=None)
        await self._somebody_texts("STOP", keyword="stop")
        await self._who_stopped_is_left_alone()
        await self._reply_comes_in()
        subscriber = Subscriber(self.world, self.tell)
        await subscriber.agrees()
        await subscriber.gets_a_picture()
        await self._friend_is_texted()
        await subscriber.writes_on_the_phone()
        await self._same_request_again()

    async def _relay_is_there(self) -> None:
        """It says that it is degraded: one of its lines waits for its subscriber."""
        ears, topic = self.world.ears, "relay/node/demo/status"
        await ears.until(
            lambda: next((heard for heard in ears.on(topic) if heard.body.get("state") in _THERE), None),
            _WITHIN,
            f"relay did not say on {topic} that it is there",
        )

    async def _many_are_texted(self) -> None:
        request = {**_ORDER, "to": phones(120)}
        await self._request(ALERTS, request)
        self.tell.step(f"{ALERTS}/send", "120 phones are to be texted, with one request", number=1)
        result = await self._result(ALERTS, str(request["id"]))
        calls = f"{result['calls']} calls to AT&T"
        self.tell.step(f"{ALERTS}/result", f"{result['outcome']}: {len(result['copies'])} copies, in {calls}")
        await self._receipts(ALERTS, result, f"of {len(result['copies'])} final")

    async def _somebody_texts(self, text: str, keyword: str | None) -> None:
        self.world.att.world.handset.text(SOMEBODY, SHORT_CODE, text)
        self.tell.count(f"{ALERTS}/message", f"a phone texts {SHORT_CODE}; AT&T will be asked soon")
        message = await self._message(ALERTS, text)
        if message["keyword"] != keyword:
            raise Trouble(f"a text came in with the keyword {message['keyword']} instead of {keyword}")
        aside = f" (keyword: {keyword})" if keyword else ""
        self.tell.step(f"{ALERTS}/message", f'a phone texts {SHORT_CODE}: "{text}"{aside}', number=3 if keyword else 2)

    async def _who_stopped_is_left_alone(self) -> None:
        ears, topic = self.world.ears, f"{ALERTS}/event/opt-out"
        await ears.until(lambda: ears.on(topic) or None, _WITHIN, f"a STOP was not told on {topic}")
        self.tell.step(topic, "it gets no more texts, from none of the lines")
        await ears.publish(f"{ALERTS}/send", {"id": "offer-1", "to": [SOMEBODY], "text": "One more offer"})
        [copy] = (await self._result(ALERTS, "offer-1"))["copies"]
        if copy["status"] != "failed" or copy["error"]["code"] != "opted_out":
            raise Trouble("a phone that had opted out was texted")
        self.tell.step(f"{ALERTS}/result", "the next text to it is refused: opted_out")

    async def _reply_comes_in(self) -> None:
        request = {"id": "ride-1", "to": [REPLIES], "text": "Your ride is at 3 pm. OK?"}
        await self._request(OFFICE, request)
        self.tell.step(f"{OFFICE}/send", f"a phone is texted from the number {LANDLINE}", number=4)
        result = await self._result(OFFICE, str(request["id"]))
        await self._receipts(OFFICE, result, f"of {len(result['copies'])} final")
        await self._message(OFFICE, "YES")
        self.tell.step(f"{OFFICE}/message", 'it answers "YES", and AT&T calls a real web hook')

    async def _friend_is_texted(self) -> None:
        request = {"id": "thanks-1", "to": [FRIEND], "text": "Thank you!"}
        await self._request(DESK, request)
        self.tell.step(f"{DESK}/send", "the friend is texted in the subscriber's name", number=7)
        result = await self._result(DESK, str(request["id"]))
        await self._receipts(DESK, result, f"of {len(result['copies'])} final")

    async def _same_request_again(self) -> None:
        ears, calls = self.world.ears, self._calls()
        before = len(ears.on(f"{ALERTS}/result"))
        await ears.publish(f"{ALERTS}/send", {**_ORDER, "to": phones(120)})
        again = await ears.until(
            lambda: next(iter(ears.on(f"{ALERTS}/result")[before:]), None),
            _WITHIN,
            "a repeated request was not answered",
        )
        if not again.data["replayed"] or self._calls() != calls:
            raise Trouble("a request that came twice was sent twice")
        self.tell.step(f"{ALERTS}/send", "the first request is published once more", number=9)
        self.tell.step(f"{ALERTS}/result", "replayed: the same answer, and nothing is sent")

    async def _request(self, line: str, request: Mapping[str, Any]) -> None:
        self.requested += [(number, request["text"]) for number in request["to"]]
        await self.world.ears.publish(f"{line}/send", request)

    async def _result(self, line: str, request_id: str) -> Mapping[str, Any]:
        ears, topic = self.world.ears, f"{line}/result"
        heard = await ears.until(
            lambda: next((heard for heard in ears.on(topic) if heard.data["request_id"] == request_id), None),
            _WITHIN,
            f"a request was not answered on {topic}",
        )
        if heard.data["outcome"] != "accepted":
            raise Trouble(f"a request was {heard.data['outcome']}: {heard.data['error']['detail']}")
        return heard.data

    async def _message(self, line: str, text: str) -> Mapping[str, Any]:
        ears, topic = self.world.ears, f"{line}/message"
        trouble = f"a text that came in was not told on {topic}"
        texts = await ears.until(
            lambda: [heard for heard in ears.on(topic) if heard.data["text"] == text] or None, _WITHIN, trouble
        )
        return texts[0].data

    async def _receipts(self, line: str, result: Mapping[str, Any], what: str) -> None:
        """Wait until every copy of a request has ended."""
        ears, topic, copies = self.world.ears, f"{line}/receipt", len(result["copies"])
        count = self.tell.counter(topic, what)

        def ended() -> Counter[str] | None:
            final = [heard.data for heard in ears.on(topic) if heard.data["final"]]
            mine = {each["copy_id"]: each["status"] for each in final if each["message_id"] == result["message_id"]}
            count(len(mine))
            return Counter(mine.values()) if len(mine) == copies else None

        statuses = await ears.until(ended, _RECEIPTS_WITHIN, f"not every copy has come to its end on {topic}")
        self.finals += statuses
        told = ", ".join(f"{number} {status}" for status, number in statuses.most_common())
        self.tell.step(topic, f"{copies} {what}: {told}")

    def _calls(self) -> int:
        return len({line["request"] for line in self.world.att.world.ledger.lines() if line["what"] == "accepted"})
