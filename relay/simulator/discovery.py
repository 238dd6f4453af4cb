"""Finds every provider's simulator: the function `simulated` in the module `simulator` of its folder."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Sequence

import relay.providers
from relay.providerkit.simulated import SimulatedService, World


def discover() -> Sequence[Callable[[World], SimulatedService]]:
    """What makes each provider's simulator, found by looking into the providers' folders; this blocks."""
    folders = pkgutil.iter_modules(relay.providers.__path__, "relay.providers.")
    names = [f"{folder.name}.simulator" for folder in folders if folder.ispkg]
    return [importlib.import_module(name).simulated for name in names if importlib.util.find_spec(name)]
