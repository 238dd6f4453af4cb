"""A simulator on a clock that stands still, and people who use it over real HTTP."""

import random
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from relay.ids import Ids
from relay.providerkit.simulated import Ledger, World
from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.inapp_people import InAppUser
from tests.unit.simulator.people import LandlineUser, Listener, SmsUser


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock()


@pytest.fixture
def world(clock: ManualClock) -> World:
    """A world without services."""
    return World(clock, Ids(clock, random.Random(7)), Ledger(clock))  # noqa: S311 - chance that repeats


@pytest.fixture
async def simulator(clock: ManualClock) -> AsyncIterator[Simulator]:
    """The simulator, with chance that repeats."""
    async with Simulator(SimulatorOptions(clock=clock, seed=7, keep=None)) as simulator:
        yield simulator


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the simulator."""
    async with aiohttp.ClientSession(simulator.base_url) as session:
        yield session


@pytest.fixture
async def sms(http: aiohttp.ClientSession) -> SmsUser:
    """A user of the SMS API, signed in."""
    user = SmsUser(http)
    await user.sign_in()
    return user


@pytest.fixture
def landline(http: aiohttp.ClientSession, simulator: Simulator) -> LandlineUser:
    """A user of Landline Texting, whose events come once and in order."""
    simulator.set_modes("att-landline", {"reorder": 0, "duplicate": 0})
    return LandlineUser(http)


@pytest.fixture
async def inapp(http: aiohttp.ClientSession, simulator: Simulator, clock: ManualClock) -> InAppUser:
    """A user of In-App Messaging, with a subscriber's consent and an index."""
    user = InAppUser(http)
    await user.consent()
    await user.create_index()
    await clock.advance(simulator.modes("att-inapp").model_dump()["index_seconds"])
    return user


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """A web server for web hooks."""
    listener = Listener()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", listener.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield listener
    await runner.cleanup()
