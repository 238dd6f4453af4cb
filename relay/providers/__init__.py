"""One folder a provider. Each exports `PROVIDER`; nothing else in relay names a provider."""

import importlib
import pkgutil
from collections.abc import Mapping

from relay.providerkit.operations import as_markdown
from relay.providerkit.spec import Provider


def discover() -> Mapping[str, Provider]:
    """Every provider by its name, found by looking into this folder."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    found = (module.PROVIDER for module in modules)
    return {provider.name: provider for provider in found}


def operations_page() -> str:
    """The page of the documentation that says what reaches every operation of every provider."""
    return as_markdown({name: provider.operations for name, provider in sorted(discover().items())})
