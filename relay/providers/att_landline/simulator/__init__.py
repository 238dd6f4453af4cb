"""AT&T Landline Texting, simulated from AT&T's document: message/send, web hooks, and the engine that delivers them."""

from relay.providerkit.simulated import SimulatedService, World
from relay.providers.att_landline.simulator.service import LandlineService


def simulated(world: World) -> SimulatedService:
    """The service, standing in `world`."""
    return LandlineService(world)
