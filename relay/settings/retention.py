"""How long what is done with is kept, each kind for a time of its own."""

from typing import Annotated

from pydantic import Field

from relay.providerkit.duration import Duration
from relay.settings.section import Section

_HOUR = 3600
_DAY = 86_400
_LONGEST = 3650 * _DAY


class Retention(Section):
    """Lifetimes. What is under way, or waits for a person, is never forgotten for its age alone.

    The journal's file does not shrink where something is forgotten: its room is used again.
    """

    texts: Annotated[Duration, Field(ge=_HOUR, le=_LONGEST)] = Field(
        7.0 * _DAY,
        description="1h to 3650d: what a message says, after its last copy has ended; at most as long as `finals`."
        " A text of which nobody knows whether it was sent is kept for 72h all the same, to be known again."
        " Events and raw bytes hold texts, too: shorten `events` and `raw` with it",
    )
    finals: Annotated[Duration, Field(ge=72 * _HOUR, le=_LONGEST)] = Field(
        7.0 * _DAY, description="72h to 3650d: what became of a message's copies, after the last one has ended"
    )
    keys: Annotated[Duration, Field(ge=72 * _HOUR, le=_LONGEST)] = Field(
        7.0 * _DAY,
        description="72h to 3650d: the id of a request, by which a repeated one is known, as above; at least as long"
        " as `finals`",
    )
    events: Annotated[Duration, Field(ge=_HOUR, le=90 * _DAY)] = Field(
        7.0 * _DAY, description="1h to 90d: what was published, so that it can be published again"
    )
    raw: Annotated[Duration, Field(ge=_HOUR, le=90 * _DAY)] = Field(
        7.0 * _DAY, description="1h to 90d: a provider's bytes, after they were understood"
    )
