"""What a run is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Ceiling = Literal["paho", "codec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How workloads are run.

    Attributes:
        pairs: how often relay and the bare script are measured, in turn.
        seconds: the steady stretch that counts.
        warm_up: seconds before it.
        window: commands under way at once, and calls in flight of either.
        latency: seconds that the provider takes for an answer, where it is called for each message.
        batch: messages in a page of the inbox.
        inbox: messages in it.
        backlog: copies that are queued.
        history: finished copies behind.
        journal: "sqlite", or "postgresql".
        ceilings: the links of the bare scripts; none: relay alone.
        profile: whether py-spy looks on.
        quick: whether all of this is small.
        prepared: where filled journals are kept for the next run; None: nowhere.
        keep: where logs and settings are left; None: nowhere.
    """

    pairs: int = 3
    seconds: float = 6.0
    warm_up: float = 3.0
    window: int = 200
    latency: float = 0.005
    batch: int = 50
    inbox: int = 20_000
    backlog: int = 1_000_000
    history: int = 5_000_000
    journal: Literal["sqlite", "postgresql"] = "sqlite"
    ceilings: tuple[Ceiling, ...] = ("paho",)
    profile: bool = False
    quick: bool = False
    prepared: Path | None = None
    keep: Path | None = None
