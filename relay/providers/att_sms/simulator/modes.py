"""The modes of the simulated SMS API: where AT&T's documents are silent, or contradict what was seen."""

from typing import Literal

from pydantic import Field

from relay.providerkit.simulated import CallbackModes, OAuthModes


class SmsModes(OAuthModes, CallbackModes):
    """How the simulated SMS API behaves; every default is what the documents say, or the milder reading."""

    shape: Literal["documented", "served"] = "documented"  # version 3: camelCase and numbers, or as REST version 2
    format: Literal["documented", "json", "xml"] = "documented"  # answers: JSON, but OneAPI's inbox in XML; or all
    oneapi_answer: Literal["request", "reference"] = "request"  # a send's: the request repeated, or a reference alone
    correlator: bool = False  # OneAPI's clientCorrelator is honoured: the same one sends nothing more
    single_object: bool = False  # one inbox message stands alone instead of in a list
    empty_counts: bool = False  # a count of nothing is "" instead of 0
    message_ids: Literal["batch", "unique"] = "batch"  # inbox ids: msg0, msg1 in every batch, or never the same
    batch: int = Field(default=20, ge=1)  # inbox messages in one answer
    removal: Literal["message", "address"] = "message"  # a final status goes when all are told, or each when told
    forgotten: Literal["404", "SVC0002"] = "404"  # how a status that is gone is answered
    network_seconds: float = Field(default=0, ge=0)  # MessageWaiting until then
    delivery_seconds: float = Field(default=5, ge=0)  # DeliveredToNetwork until then, more or less a fifth
    outbox_limit: int = Field(default=200_000, ge=1)  # messages remembered; the oldest go first
    rate_limit: int = Field(default=0, ge=0)  # sends a second; 0 for no limit, here and below
    per_minute: int = Field(default=0, ge=0)  # requests a minute
    quota: int = Field(default=0, ge=0)  # requests a day
    throttle_as: Literal["403", "429"] = "403"
    retry_after: float = Field(default=0, ge=0)  # seconds, with a 429; 0 for no such header
    notify_reference: bool = False  # with notifyDeliveryStatus, the answer has a resourceReference all the same
    notify_id: bool = True  # off: with notifyDeliveryStatus, the answer has no messageId
    notify_status: Literal["unknown", "empty"] = "unknown"  # how a question for a notified message is answered
    notify_progress: bool = False  # DeliveredToNetwork is notified too
    early: bool = False  # a status that comes soon is notified before the send is answered
    sender_form: Literal["plain", "encoded", "ten"] = "plain"  # callbacks: tel:+1…, tel%3A%2B1…, tel:+ and ten digits
    date_form: Literal["sample", "log", "iso"] = "sample"  # callbacks: 04-15-2011T12:00:00, 26/Jul/2012:…, ISO 8601
