"""One folder a provider. Each exports `PROVIDER`; nothing else in relay names a provider."""

import importlib
import pkgutil
from collections.abc import Mapping

from relay.providerkit.spec import Provider


def discover() -> Mapping[str, Provider]:
    """Every provider by its name, found by looking into this folder."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    found = (module.PROVIDER for module in modules)
    return {provider.name: provider for provider in found}
