"""What a provider's simulator is built on; knows no provider: the world, its ledger, its faults, its handsets."""

from relay.providerkit.simulated.agenda import Agenda
from relay.providerkit.simulated.faults import Faults, Rule
from relay.providerkit.simulated.handset import Fate, Handset
from relay.providerkit.simulated.ledger import Ledger, Overrun, Violations
from relay.providerkit.simulated.modes import Modes
from relay.providerkit.simulated.operations import REQUEST_NUMBER, Operations
from relay.providerkit.simulated.world import SimulatedService, World

__all__ = [
    "REQUEST_NUMBER",
    "Agenda",
    "Fate",
    "Faults",
    "Handset",
    "Ledger",
    "Modes",
    "Operations",
    "Overrun",
    "Rule",
    "SimulatedService",
    "Violations",
    "World",
]
