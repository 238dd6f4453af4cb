"""A short code's line over real sockets: relay's client against the simulator."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from relay.domain.addresses import outbound
from relay.domain.messages import OutboundCall, Recipient
from relay.ids import Ids
from relay.providerkit.spec import LineContext
from relay.providers.att_sms import PROVIDER
from relay.providers.att_sms.client import AttSmsLine
from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from tests.contract.provider.conformity import Watch
from tests.memory import Memory


@pytest.fixture
def clock() -> ManualClock:
    """Time that the test moves, for relay and for AT&T."""
    return ManualClock()


@pytest.fixture
def watch() -> Watch:
    """Looks at what passes between relay and AT&T."""
    return Watch()


@pytest.fixture
async def simulator(clock: ManualClock, watch: Watch) -> AsyncIterator[Simulator]:
    """AT&T; in the end everything was as its OpenAPI documents have it."""
    async with Simulator(SimulatorOptions(clock=clock, seed=7, middlewares=[watch.middleware])) as running:
        watch.attend(running)
        yield running
    watch.check()


@pytest.fixture
async def connect(simulator: Simulator, clock: ManualClock) -> AsyncIterator[Callable[..., Awaitable[AttSmsLine]]]:
    """Make a line with these settings beside the simulator's own; it is closed at the end."""
    made: list[AttSmsLine] = []

    async def connected(memory: Memory | None = None, **more: Any) -> AttSmsLine:
        least = {"short_code": "12345", "app_key": "demo-key", "app_secret": "demo-secret", "timeout": 20.0}
        settings = PROVIDER.settings.model_validate({"base_url": simulator.base_url, **least, **more})
        ids = Ids(clock, random.Random(7))  # noqa: S311 - a seed repeats the run
        line = PROVIDER.connect(LineContext("alerts", settings, memory or Memory(), clock, ids))
        assert isinstance(line, AttSmsLine)
        made.append(line)
        return line

    yield connected
    for line in made:
        await line.aclose()


@pytest.fixture
async def line(connect: Callable[..., Awaitable[AttSmsLine]]) -> AttSmsLine:
    """The demo account's line."""
    return await connect()


@pytest.fixture
def memory() -> Memory:
    """A memory that outlives a line."""
    return Memory()


@pytest.fixture
def call() -> Callable[..., OutboundCall]:
    """Make a call to these numbers."""

    def make(*numbers: str, text: str = "Your order is on its way.", receipts: bool = True) -> OutboundCall:
        recipients = tuple(Recipient(f"copy-{place}", outbound(number)) for place, number in enumerate(numbers))
        return OutboundCall("call", "message", "alerts", 1, recipients, text, receipts=receipts)

    return make
