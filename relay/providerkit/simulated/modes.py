"""A simulated service's modes: how it behaves where AT&T's documents leave it open, or contradict what was seen."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class Modes(BaseModel):
    """Modes with their defaults; a service has a subclass, and reads it at every request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set some of them; raises ValueError, and sets none, where a name or a value is wrong."""
        checked = type(self).model_validate({**self.model_dump(), **changes})
        for name in changes:
            setattr(self, name, getattr(checked, name))
