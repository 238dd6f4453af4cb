"""The operations table: every operation of the documents is in it, and the client calls nothing else."""

import pytest

from relay.providers.att_sms.dialects import dialect_of
from relay.providers.att_sms.operations import OPERATIONS, SEND_V3, STATUS_ONEAPI
from relay.providers.att_sms.settings import AttSmsSettings

# As the documents have them, with the ids' names in their place.
DOCUMENTED = {
    "POST /oauth/v4/token",
    "POST /sms/v3/messaging/outbox",
    "GET /sms/v3/messaging/outbox/{message_id}",
    "GET /sms/v3/messaging/inbox/{registration_id}",
    "POST /rest/sms/2/messaging/outbox",
    "GET /rest/sms/2/messaging/outbox/{message_id}",
    "GET /rest/sms/2/messaging/inbox?RegistrationID={registration_id}",
    "POST /2/smsmessaging/outbound/{sender_address}/requests",
    "GET /2/smsmessaging/outbound/requests/{sender_address}/{message_id}/deliveryInfos",
    "GET /2/smsmessaging/outbound/{sender_address}/{message_id}/deliveryInfos",
    "GET /2/smsmessaging/outbound/{sender_address}/requests/{message_id}/deliveryInfos",
    "GET /2/smsmessaging/inbound/registrations/{registration_id}/messages",
    "POST /3/smsmessaging/outbound/{sender_address}/requests",
    "GET /3/smsmessaging/outbound/requests/{sender_address}/{message_id}/deliveryInfos",
    "GET /3/smsmessaging/outbound/{sender_address}/{message_id}/deliveryInfos",
    "GET /3/smsmessaging/outbound/{sender_address}/requests/{message_id}/deliveryInfos",
    "GET /3/smsmessaging/inbound/registrations/{registration_id}/messages",
    "POST /hooks/{line}/{secret}/message",
    "POST /hooks/{line}/{secret}/delivery",
}


def test_every_operation_of_the_documents_has_a_row() -> None:
    """Each with a name of its own, where it is described and what reaches it."""
    assert {f"{row.method} {row.path}" for row in OPERATIONS} == DOCUMENTED
    assert len({row.name for row in OPERATIONS}) == len(OPERATIONS) == len(DOCUMENTED)
    assert all(row.source and row.reached_by for row in OPERATIONS)
    assert {row.name for row in OPERATIONS if row.is_callback} == {"Receive SMS", "Receive SMS Delivery Status"}


@pytest.mark.parametrize("dialect", ["v3", "rest2", "oneapi"])
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("status_path", ["resource", "example", "gsma"])
def test_every_dialect_is_made_of_rows_of_the_table(dialect: str, version: int, status_path: str) -> None:
    """So that the table cannot say anything but what is called."""
    given = {"short_code": "12345", "app_key": "k", "app_secret": "s", "dialect": dialect}
    settings = AttSmsSettings.model_validate({**given, "oneapi_version": version, "oneapi_status_path": status_path})
    made = dialect_of(settings)
    assert {made.send, made.status, made.inbox} <= set(OPERATIONS)
    if dialect == "oneapi":
        assert made.status is STATUS_ONEAPI[version, status_path]
    if dialect == "v3":
        assert made.send is SEND_V3
