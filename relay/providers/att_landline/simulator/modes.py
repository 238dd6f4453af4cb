"""The modes of simulated Landline Texting: where AT&T's document is silent, or contradicts what was seen."""

from typing import Literal

from pydantic import Field

from relay.providerkit.simulated import Modes


class LandlineModes(Modes):
    """How simulated Landline Texting behaves; every default is what the document says, or the milder reading."""

    failure_http: Literal["200", "400"] = "200"  # the HTTP status under a failure's code
    send_ids: Literal["string", "int"] = "string"  # tokens[].message
    dates: Literal["lenient", "strict"] = "lenient"  # whether seconds, and the document's 14 digits, pass
    dates_in: Literal["utc", "pacific"] = "utc"  # pacific: a scheduledDate is taken to be moved by that zone's offset
    stop: Literal["sync", "async"] = "sync"  # -1234 answers the send, or comes as progress
    failures: Literal["sync", "async"] = "sync"  # -801, -855 and -124 answer the send, or come as progress
    spam: bool = False  # the line is flagged: -801 for every send
    early_progress: bool = False  # the first events are delivered before the send is answered
    progress_seconds: float = Field(default=2, ge=0)  # between two events of a message
    reorder: float = Field(default=0.1, ge=0, le=1)  # how often two events of a message change places
    duplicate: float = Field(default=0.1, ge=0, le=1)  # how often an event comes twice
    payload: Literal["documented", "later"] = "documented"  # later: as captured since, see texts.py
    hook_answers: Literal["list", "object"] = "list"  # what add and update answer; the document's samples are broken
    hook_hosts: Literal["each", "routed"] = "each"  # routed: of several hosts one gets an event, the other if it fails
    hook_timeout: float = Field(default=7, gt=0)  # real seconds in which a web hook must be answered
    hook_connections: int = Field(default=32, ge=1)  # to one host at once
    hook_backlog: int = Field(default=100_000, ge=1)  # deliveries kept for a host that is down
    mms: bool = True  # whether MMS is enabled on the lines
    smil: bool = True  # an MMS that comes in has its layout among its attachments
    storing_seconds: float = Field(default=2, ge=0)  # from an MMS's web hook until its attachments are listed
    long_text: Literal["body", "attachment"] = "body"  # how a text of more than 700 bytes comes in
    login: Literal["on", "off"] = "on"  # whether there is /user/login
    bad_login_http: Literal["400", "500"] = "400"  # the HTTP status of a refused login
