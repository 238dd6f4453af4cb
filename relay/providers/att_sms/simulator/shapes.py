"""The bodies of version 3's answers: as documented (camelCase, numbers) and as served (PascalCase, strings)."""

from collections.abc import Sequence
from typing import Any

from relay.providerkit.simulated.numbers import ten_digits
from relay.providers.att_sms.simulator.inbox import Incoming
from relay.providers.att_sms.simulator.modes import SmsModes
from relay.providers.att_sms.simulator.outbox import Copy, Sent

_ELSEWHERE = "http://ewr2-api.att.invalid:8080/sms/v3/messaging"  # resource URLs name a host that is not to be called


def sent_body(sent: Sent, *, notify: bool) -> dict[str, Any]:
    """The answer to a send; without a resource reference if notifications were asked for."""
    inner: dict[str, Any] = {"messageId": sent.message_id}
    if not notify:
        inner["resourceReference"] = {"resourceURL": f"{_ELSEWHERE}/outbox/{sent.message_id}"}
    return {"outboundSMSResponse": inner}


def status_body(sent: Sent, rows: Sequence[tuple[Copy, str]], modes: SmsModes) -> dict[str, Any]:
    """The answer to a question for delivery status."""
    url = f"{_ELSEWHERE}/outbox/{sent.message_id}"
    if modes.shape == "documented":
        infos = [{"address": f"tel:{copy.number}", "deliveryStatus": status} for copy, status in rows]
        return {"deliveryInfoList": {"deliveryInfo": infos, "resourceURL": url}}
    served = [{"Id": copy.ref, "Address": ten_digits(copy.number), "DeliveryStatus": status} for copy, status in rows]
    return {"DeliveryInfoList": {"DeliveryInfo": served, "ResourceUrl": url}}


def inbox_body(
    registration: str, short_code: str, batch: Sequence[tuple[str, Incoming]], pending: int, modes: SmsModes
) -> dict[str, Any]:
    """The answer to a poll; `batch` pairs the ids that are shown with their texts."""
    url = f"{_ELSEWHERE}/inbox/{registration}"
    if modes.shape == "documented":
        return {
            "inboundSMSMessageList": {
                "inboundSMSMessage": _listed([_documented(shown, text, short_code) for shown, text in batch], modes),
                "numberOfMessagesInThisBatch": _count(len(batch), modes),
                "resourceURL": url,
                "totalNumberOfPendingMessages": _count(pending, modes),
            }
        }
    return {
        "InboundSmsMessageList": {
            "InboundSmsMessage": _listed([_served(shown, text) for shown, text in batch], modes),
            "NumberOfMessagesInThisBatch": str(_count(len(batch), modes)),
            "ResourceUrl": url,
            "TotalNumberOfPendingMessages": str(_count(pending, modes)),
        }
    }


def _documented(shown: str, text: Incoming, short_code: str) -> dict[str, str]:
    return {
        "messageId": shown,
        "message": text.text,
        "senderAddress": f"tel:{text.sender}",
        "destinationAddress": short_code,
        "dateTime": text.arrived.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _served(shown: str, text: Incoming) -> dict[str, str]:
    return {"MessageId": shown, "Message": text.text, "SenderAddress": f"tel:{text.sender}"}


def _listed(messages: list[dict[str, str]], modes: SmsModes) -> Any:
    return messages[0] if modes.single_object and len(messages) == 1 else messages


def _count(number: int, modes: SmsModes) -> int | str:
    return "" if modes.empty_counts and not number else number
