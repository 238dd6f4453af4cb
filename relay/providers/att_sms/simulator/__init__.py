"""AT&T's SMS API, simulated from AT&T's documents: tokens, sending, delivery status, and the inbox of version 3."""

from relay.providerkit.simulated import SimulatedService, World
from relay.providers.att_sms.simulator.service import SmsService


def simulated(world: World) -> SimulatedService:
    """The service, standing in `world`."""
    return SmsService(world)
