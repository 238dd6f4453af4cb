"""The composition root: settings become running objects. The only place where concrete classes meet."""

from relay.wiring.core import bus_settings
from relay.wiring.reloading import Again
from relay.wiring.serving import serve

__all__ = ["Again", "bus_settings", "serve"]
