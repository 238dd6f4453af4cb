"""What a provider's simulator is built on; knows no provider: the world, its ledger, its faults, its handsets."""

from relay.providerkit.simulated.agenda import Agenda
from relay.providerkit.simulated.callbacks import Callback, CallbackModes, Callbacks
from relay.providerkit.simulated.envelope import ApiError, envelope, wrong
from relay.providerkit.simulated.faults import Faults, Rule
from relay.providerkit.simulated.handset import Fate, Handset
from relay.providerkit.simulated.ledger import Ledger, Overrun, Violations
from relay.providerkit.simulated.modes import Modes
from relay.providerkit.simulated.oauth import Grant, OAuthClient, OAuthModes, OAuthRefusal, OAuthServer
from relay.providerkit.simulated.operations import REQUEST_NUMBER, Operations
from relay.providerkit.simulated.world import SimulatedService, World

__all__ = [
    "REQUEST_NUMBER",
    "Agenda",
    "ApiError",
    "Callback",
    "CallbackModes",
    "Callbacks",
    "Fate",
    "Faults",
    "Grant",
    "Handset",
    "Ledger",
    "Modes",
    "OAuthClient",
    "OAuthModes",
    "OAuthRefusal",
    "OAuthServer",
    "Operations",
    "Overrun",
    "Rule",
    "SimulatedService",
    "Violations",
    "World",
    "envelope",
    "wrong",
]
