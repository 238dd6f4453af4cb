"""The modes of the simulated SMS API: where AT&T's documents are silent, or contradict what was seen."""

from typing import Literal

from pydantic import Field

from relay.providerkit.simulated import Modes


class SmsModes(Modes):
    """How the simulated SMS API behaves; every default is what the documents say, or the milder reading."""

    shape: Literal["documented", "served"] = "documented"  # camelCase and numbers, or PascalCase and strings
    errors: Literal["upper", "lower"] = "upper"  # RequestError, or requestError
    single_object: bool = False  # one inbox message stands alone instead of in a list
    empty_counts: bool = False  # a count of nothing is "" instead of 0
    message_ids: Literal["batch", "unique"] = "batch"  # inbox ids: msg0, msg1 in every batch, or never the same
    batch: int = Field(default=20, ge=1)  # inbox messages in one answer
    removal: Literal["message", "address"] = "message"  # a final status goes when all are told, or each when told
    forgotten: Literal["404", "SVC0002"] = "404"  # how a status that is gone is answered
    network_seconds: float = Field(default=0, ge=0)  # MessageWaiting until then
    delivery_seconds: float = Field(default=5, ge=0)  # DeliveredToNetwork until then, more or less a fifth
    outbox_limit: int = Field(default=200_000, ge=1)  # messages remembered; the oldest go first
    rate_limit: int = Field(default=0, ge=0)  # sends a second; 0 for no limit
    throttle_as: Literal["403", "429"] = "403"
    retry_after: float = Field(default=0, ge=0)  # seconds, with a 429; 0 for no such header
    expires_in: int = Field(default=172_800, ge=0)  # seconds that a token lives; 0: it does not expire
    expires_in_form: Literal["int", "string"] = "int"
    refresh_tokens: bool = True  # off: none is issued
    rotate: bool = True  # a refresh token is good for one use
    oauth_errors: Literal["rfc", "envelope"] = "rfc"  # RFC 6749's, or RequestError
