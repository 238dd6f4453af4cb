"""What relay announces on the bus, before it has an envelope: kept in the journal, published as it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from relay.domain.messages import Reply


@dataclass(frozen=True, slots=True)
class Announcement:
    """One event for the bus.

    `kind` is `result`, `receipt`, `message`, `dead` or `event.<name>`; `body` is the contract's `data`;
    `occurred_at` is when it happened and `recorded_at` when relay wrote it down. `size`: the body's, as it is kept, in
    bytes.
    """

    id: str
    kind: str
    line: str | None
    client: str | None
    subject: str
    sequence: int
    occurred_at: datetime
    recorded_at: datetime
    body: Mapping[str, Any] = field(repr=False)
    reply: Reply = field(default_factory=Reply)
    size: int = 0
