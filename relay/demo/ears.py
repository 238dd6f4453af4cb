"""bus -> demo: a subscriber as any user would write it; it keeps what it hears, and waits for what is expected."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import aiomqtt
from pydantic_core import from_json, to_json

from relay.demo.trouble import Trouble

T = TypeVar("T")

_PROBE = "relay.probe.v1"  # by which relay tries its topics on MQTT 3.1.1: readers ignore it


@dataclass(frozen=True, slots=True)
class Heard:
    """One message on the bus."""

    topic: str
    body: Mapping[str, Any]

    @property
    def data(self) -> Mapping[str, Any]:
        """What relay says in its envelope."""
        data: Mapping[str, Any] = self.body.get("data") or {}
        return data


class Ears:
    """Hears `relay/#`, and publishes send requests.

    Args:
        client: a connected client of the broker.
    """

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._heard: list[Heard] = []
        self._more = asyncio.Condition()

    async def listen(self) -> None:
        """Keep what is heard, until cancelled."""
        async for message in self._client.messages:
            heard = Heard(str(message.topic), from_json(bytes(message.payload)))
            if heard.body.get("type") == _PROBE:
                continue
            async with self._more:
                self._heard.append(heard)
                self._more.notify_all()

    async def publish(self, topic: str, request: Mapping[str, Any]) -> None:
        """Publish a request; the broker has it on return."""
        await self._client.publish(topic, to_json(request), qos=1)

    def on(self, topic: str) -> list[Heard]:
        """Everything heard on a topic."""
        return [heard for heard in self._heard if heard.topic == topic]

    async def until(self, found: Callable[[], T | None], within: float, trouble: str) -> T:
        """What `found` finds, asked again whenever something was heard.

        Raises:
            Trouble: it found nothing within so many seconds; `trouble` is its text.
        """
        try:
            async with asyncio.timeout(within), self._more:
                while (it := found()) is None:
                    await self._more.wait()
                return it
        except TimeoutError:
            raise Trouble(trouble) from None
