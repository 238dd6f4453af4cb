"""bare script <-> broker: aiomqtt for the connection's life, paho's public callbacks for the data."""

import asyncio
from collections.abc import Callable, Sequence

import aiomqtt
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

Heard = Callable[[bytes, Callable[[], None]], None]

_WINDOW = 1_000


class PahoLink:
    """One connection; a future for each publish, acknowledged by hand.

    Args:
        heard: is called with each message's payload, and what acknowledges it.
    """

    def __init__(self, port: int, name: str, heard: Heard) -> None:
        self._client = aiomqtt.Client(
            "127.0.0.1",
            port,
            identifier=name,
            protocol=aiomqtt.ProtocolVersion.V5,
            max_inflight_messages=_WINDOW,
            max_queued_outgoing_messages=0,
        )
        self._heard = heard
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def open(self, filters: Sequence[str]) -> None:
        """Connect, and hear these."""
        await self._client.__aenter__()
        for each in filters:
            await self._client.subscribe(each, qos=1)
        paho = self._paho
        paho.manual_ack_set(True)  # noqa: FBT003 - paho's signature
        paho.on_message, paho.on_publish = self._on_message, self._on_publish

    def publish(self, topic: str, payload: bytes) -> asyncio.Future[None]:
        """Publish at QoS 1; the future is done once the broker has it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[self._paho.publish(topic, payload, 1).mid] = done
        return done

    @property
    def _paho(self) -> Paho:
        return self._client._client  # noqa: SLF001 - aiomqtt has no other way to it

    def _on_publish(self, _paho: Paho, _data: object, mid: int, _reason: ReasonCode, _properties: Properties) -> None:
        self._waiting.pop(mid).set_result(None)

    def _on_message(self, _paho: Paho, _data: object, message: MQTTMessage) -> None:
        self._heard(bytes(message.payload), lambda: self._acknowledge(message.mid, message.qos))

    def _acknowledge(self, mid: int, qos: int) -> None:
        self._paho.ack(mid, qos)
