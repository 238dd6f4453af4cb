"""The battery's fixture, for what is found in simulated days."""

from tests.battery.conftest import found

__all__ = ["found"]
