"""The modes of simulated In-App Messaging: where AT&T's documents are silent, or contradict what was seen."""

from typing import Literal

from pydantic import Field

from relay.providerkit.simulated import OAuthModes


class InAppModes(OAuthModes):
    """How simulated In-App Messaging behaves; every default is what the documents say, or the milder reading."""

    shape: Literal["documented", "served"] = "documented"  # the OpenAPI's bodies and statuses, or those of the kits
    index_answer: Literal["shape", "body", "empty"] = "shape"  # creation: 200 with the index, or 202 with nothing
    index_seconds: float = Field(default=5, ge=0)  # how long an index takes to build
    index_ends: Literal["ready", "error"] = "ready"  # what the building of an index comes to
    not_ready: Literal["SVC0001", "409"] = "SVC0001"  # how a list or a delta without an index is answered

    message_ids: Literal["plain", "ugly"] = "plain"  # ugly: with characters that a path has to encode
    states: Literal["ugly", "digits", "plain"] = "ugly"  # ugly: with characters that a query has to encode
    state_seconds: float = Field(default=0, ge=0)  # how long a state is good after it was last told; 0: for ever
    bad_state: Literal["SVC0002", "SVC0001", "409"] = "SVC0002"  # how an invalid state is answered
    delta_limit: int = Field(default=0, ge=0)  # changes in one answer; 0: all
    empty_lists: Literal["empty", "null", "missing"] = "empty"  # a delta's lists without entries

    gone: Literal["404", "SVC0001"] = "404"  # how a message that is not there is answered
    times: Literal["shape", "zoned", "bare"] = "shape"  # timeStamp with a Z, or without a zone (it is UTC)
    incoming_as: Literal["bool", "string", "missing"] = "bool"  # isIncoming
    content_urls: Literal["relative", "foreign"] = "relative"  # contentUrl: a path, or on a host not to be called
    smil: bool = True  # an MMS has a part for its layout

    segments: bool = True  # a handset's text of more than one SMS comes as several messages; off: as one
    segment_order: Literal["in-order", "reversed"] = "in-order"
    segment_seconds: float = Field(default=0, ge=0)  # between two segments of a text

    appear_seconds: float = Field(default=2, ge=0)  # until a text that was sent shows up in the store
    sends_appear: Literal["together", "apart"] = "together"  # one message for a send, or one for each recipient
    delivery_seconds: float = Field(default=5, ge=0)  # until a handset has a text, more or less a fifth
