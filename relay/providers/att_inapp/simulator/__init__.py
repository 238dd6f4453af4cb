"""AT&T's In-App Messaging, simulated: a subscriber's message store, its index and changes, sending, and MMS."""

from relay.providerkit.simulated import SimulatedService, World
from relay.providers.att_inapp.simulator.service import InAppService


def simulated(world: World) -> SimulatedService:
    """The service, standing in `world`."""
    return InAppService(world)
