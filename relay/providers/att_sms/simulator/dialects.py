"""The dialects of AT&T's SMS API as data: where each operation is, and in which words it answers.

Sources: OpenAPI of SMS v3; SMS documentation, Get SMS and Get SMS Delivery Status, AT&T and GSMA OneAPI. The OneAPI
page gives the address of a delivery status in two forms, and the GSMA's own is a third: all are served.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from relay.providers.att_sms.simulator.modes import SmsModes

ELSEWHERE = "http://ewr2-api.att.invalid:8080"  # resource URLs name a host that is not to be called


@dataclass(frozen=True, slots=True)
class Dialect:
    """One dialect.

    Attributes:
        send: the path of Send SMS.
        statuses: the paths of Get SMS Delivery Status; the first is what resource URLs show.
        inbox: the path of Get SMS.
        body: what a send looks like, and its answer.
    """

    name: str
    send: str
    statuses: Sequence[str]
    inbox: str
    body: Literal["v3", "rest", "oneapi"]

    def is_pascal(self, modes: SmsModes) -> bool:
        """Whether answers to questions are in PascalCase, with counts as strings and ids for each recipient."""
        return self.body == "rest" or (self.body == "v3" and modes.shape == "served")

    def status_url(self, sender: str, message_id: str) -> str:
        """A message's resource URL."""
        return ELSEWHERE + self.statuses[0].format(sender=sender, id=message_id)

    def inbox_url(self, registration: str) -> str:
        """An inbox's resource URL."""
        return ELSEWHERE + self.inbox.format(id=registration)


def _oneapi(version: int) -> Dialect:
    root = f"/{version}/smsmessaging"
    return Dialect(
        name=f"oneapi-{version}",
        send=root + "/outbound/{sender}/requests",
        statuses=(
            root + "/outbound/requests/{sender}/{id}/deliveryInfos",
            root + "/outbound/{sender}/{id}/deliveryInfos",
            root + "/outbound/{sender}/requests/{id}/deliveryInfos",
        ),
        inbox=root + "/inbound/registrations/{id}/messages",
        body="oneapi",
    )


V3 = Dialect(
    name="v3",
    send="/sms/v3/messaging/outbox",
    statuses=("/sms/v3/messaging/outbox/{id}",),
    inbox="/sms/v3/messaging/inbox/{id}",
    body="v3",
)
REST_2 = Dialect(
    name="rest-2",
    send="/rest/sms/2/messaging/outbox",
    statuses=("/rest/sms/2/messaging/outbox/{id}",),
    inbox="/rest/sms/2/messaging/inbox",
    body="rest",
)
DIALECTS = (V3, REST_2, _oneapi(2), _oneapi(3))
