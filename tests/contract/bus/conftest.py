"""A broker, a clock that hurries, a bus and an ear for the bus's contract."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiomqtt
import pytest
import structlog
from paho.mqtt.properties import Properties
from pydantic_core import from_json

from relay.bus.config import BusSettings
from relay.bus.delivery import Delivery
from relay.bus.mqtt import Bus
from relay.clock import LabClock
from relay.domain.announcements import Announcement
from relay.domain.messages import Reply
from relay.ids import Ids
from tests.brokers import Mosquitto

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PATIENCE = 15.0


class Ear:
    """An independent client that hears everything below some filters, and can speak."""

    def __init__(self, broker: Mosquitto | int, *filters: str, protocol: int = 5, **more: Any) -> None:
        self._filters = filters
        port = broker if isinstance(broker, int) else broker.port
        self._client = aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion(protocol), timeout=5, **more)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        for each in self._filters:
            await self._client.subscribe(each, qos=1)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)
        with contextlib.suppress(aiomqtt.MqttError):
            while True:  # to the end, or asyncio reports the end as never looked at
                await anext(self._client.messages)

    async def next(self) -> aiomqtt.Message:
        """The next message."""
        async with asyncio.timeout(PATIENCE):
            return await anext(self._client.messages)

    async def until(self, topic: str, wanted: Callable[[Any], bool] = lambda _: True) -> list[aiomqtt.Message]:
        """Everything up to a message on this topic whose JSON is wanted."""
        heard = [await self.next()]
        while not (heard[-1].topic.value == topic and wanted(from_json(heard[-1].payload or b"null"))):
            heard.append(await self.next())
        return heard

    async def say(self, topic: str, payload: bytes | str, **more: Any) -> None:
        """Publish at QoS 1."""
        await self._client.publish(topic, payload, qos=1, **more)


class Logs:
    """What relay logs, as it logs it."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()

    def __call__(self, _logger: Any, level: str, line: MutableMapping[str, Any]) -> str:
        """A structlog processor that ends the line here."""
        self._lines.put_nowait({**line, "level": level})
        raise structlog.DropEvent

    async def until(self, event: str) -> MutableMapping[str, Any]:
        """The next line of this event; what was logged before it is skipped."""
        async with asyncio.timeout(PATIENCE):
            while (line := await self._lines.get())["event"] != event:
                pass
            return line

    def rest(self) -> list[str]:
        """The events that were logged and not looked at."""
        return [self._lines.get_nowait()["event"] for _ in range(self._lines.qsize())]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Relay's log lines."""
    kept = Logs()
    structlog.configure(processors=[kept])
    yield kept
    structlog.reset_defaults()


async def next_command(bus: Bus) -> Delivery:
    """The next command, in good time."""
    async with asyncio.timeout(PATIENCE):
        return await bus.next_command()


async def connected(bus: Bus) -> None:
    """Wait until the bus can publish."""
    async with asyncio.timeout(PATIENCE):
        await bus.wait_connected()


def mqtt5(message: aiomqtt.Message) -> Any:
    """What MQTT 5 says beside a payload."""
    assert message.properties is not None
    return message.properties


def properties_of(packet: int, **said: Any) -> Properties:
    """Properties for a packet of this type."""
    properties: Any = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in said.items():
        setattr(properties, name, value)
    made: Properties = properties
    return made


def make_bus(url: str, *lines: str, speed: float = 50, **more: Any) -> Bus:
    """A bus whose waits are short."""
    started = datetime.now(UTC)
    clock = LabClock(speed, started, started)
    settings = BusSettings(**{"url": url, "node": "n1", "timeout": 5.0, **more})
    return Bus(settings, lines or ("alerts",), clock, Ids(clock))


def announcement(number: int = 1, **more: Any) -> Announcement:
    """A result of one client."""
    plain = {
        "id": f"018f-{number}",
        "kind": "result",
        "line": "alerts",
        "client": "web",
        "subject": f"m{number}",
        "sequence": 1,
        "occurred_at": NOW,
        "recorded_at": NOW,
        "body": {"outcome": "accepted", "number": number},
        "reply": Reply(),
    }
    return Announcement(**{**plain, **more})


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A broker that keeps its state."""
    async with Mosquitto(tmp_path, persistent=True) as running:
        yield running
