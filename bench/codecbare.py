"""bare script <-> broker: as `pahobare`, on the `mqtt5` codec."""

import asyncio
from collections.abc import Callable, Sequence

from mqtt5 import PublishPacket

from bench.codeclink import CodecLink

Heard = Callable[[bytes, Callable[[], None]], None]


class BareCodecLink:
    """One connection; as `PahoLink`."""

    def __init__(self, port: int, name: str, heard: Heard) -> None:
        self._port = port
        self._name = name
        self._heard = heard
        self._link: CodecLink | None = None

    async def open(self, filters: Sequence[str]) -> None:
        """Connect, and hear these."""
        self._link = await CodecLink.connect(self._port, self._name, self._on_message)
        if filters:
            await self._link.subscribe(filters)

    def publish(self, topic: str, payload: bytes) -> asyncio.Future[None]:
        """Publish at QoS 1; the future is done once the broker has it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        assert self._link is not None  # noqa: S101 - for the type checker
        self._link.publish(topic, payload, lambda: done.set_result(None))
        return done

    def _on_message(self, link: CodecLink, packet: PublishPacket) -> None:
        self._heard(packet.payload, lambda: link.ack(packet))
