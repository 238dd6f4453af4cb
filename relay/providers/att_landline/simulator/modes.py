"""The modes of simulated Landline Texting: where AT&T's document is silent, or contradicts what was seen."""

from typing import Literal

from pydantic import Field

from relay.providerkit.simulated import Modes


class LandlineModes(Modes):
    """How simulated Landline Texting behaves; every default is what the document says, or the milder reading."""

    failure_http: Literal["200", "400"] = "200"  # the HTTP status under a failure's code
    send_ids: Literal["string", "int"] = "string"  # tokens[].message
    dates: Literal["lenient", "strict"] = "lenient"  # whether seconds, and the document's 14 digits, pass
    stop: Literal["sync", "async"] = "sync"  # -1234 answers the send, or comes as progress
    spam: bool = False  # the line is flagged: -801 for every send
    early_progress: bool = False  # the first events are delivered before the send is answered
    progress_seconds: float = Field(default=2, ge=0)  # between two events of a message
    reorder: float = Field(default=0.1, ge=0, le=1)  # how often two events of a message change places
    duplicate: float = Field(default=0.1, ge=0, le=1)  # how often an event comes twice
    hook_timeout: float = Field(default=7, gt=0)  # real seconds in which a web hook must be answered
    hook_connections: int = Field(default=32, ge=1)  # to one host at once
    hook_backlog: int = Field(default=100_000, ge=1)  # deliveries kept for a host that is down
