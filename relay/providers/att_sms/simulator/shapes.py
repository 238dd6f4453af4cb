"""The bodies of answers, in each dialect's words: camelCase with numbers, or PascalCase with strings and ids."""

from collections.abc import Sequence
from typing import Any

from relay.providerkit.simulated.numbers import ten_digits
from relay.providers.att_sms.simulator.dialects import Dialect
from relay.providers.att_sms.simulator.inbox import Incoming
from relay.providers.att_sms.simulator.modes import SmsModes
from relay.providers.att_sms.simulator.outbox import NETWORK, Copy, Sent
from relay.providers.att_sms.simulator.sending import Asked

Body = dict[str, Any]


def sent_body(dialect: Dialect, sent: Sent, asked: Asked, modes: SmsModes) -> Body:
    """The answer to a send; where notification was asked for it has no resource reference, unless a mode says so."""
    url = dialect.status_url(sent.line, sent.message_id)
    if dialect.body == "oneapi" and (asked.receipt is not None or not asked.notify):
        return _oneapi_sent(sent, asked, url, modes)
    inner: Body = {}
    if modes.notify_id or not asked.notify:
        inner["Id" if dialect.body == "rest" else "messageId"] = sent.message_id
    if modes.notify_reference or not asked.notify:
        inner |= _reference(dialect, url, modes)
    return inner if dialect.body == "rest" else {"outboundSMSResponse": inner}


def _reference(dialect: Dialect, url: str, modes: SmsModes) -> Body:
    if dialect.body != "rest":
        return {"resourceReference": {"resourceURL": url}}
    return {"ResourceReference": {"ResourceURL" if modes.shape == "served" else "ResourceUrl": url}}


def _oneapi_sent(sent: Sent, asked: Asked, url: str, modes: SmsModes) -> Body:
    """The GSMA's: the request repeated with the first delivery infos, or a reference alone."""
    if modes.oneapi_answer == "reference":
        return {"resourceReference": {"resourceURL": url}}
    infos = [{"address": f"tel:{copy.number}", "deliveryStatus": NETWORK} for copy in sent.copies]
    return {
        "outboundSMSMessageRequest": {
            "address": [f"tel:{copy.number}" for copy in sent.copies],
            "deliveryInfoList": {"deliveryInfo": infos, "resourceURL": url},
            "senderAddress": sent.line,
            "outboundSMSTextMessage": {"message": asked.text},
            "resourceURL": url.removesuffix("/deliveryInfos"),
        }
    }


def status_body(dialect: Dialect, sent: Sent, rows: Sequence[tuple[Copy, str]], modes: SmsModes) -> Body:
    """The answer to a question for delivery status."""
    url = dialect.status_url(sent.line, sent.message_id)
    if not dialect.is_pascal(modes):
        infos = [{"address": f"tel:{copy.number}", "deliveryStatus": status} for copy, status in rows]
        return {"deliveryInfoList": {"deliveryInfo": infos, "resourceURL": url}}
    served = [{"Id": copy.ref, "Address": ten_digits(copy.number), "DeliveryStatus": status} for copy, status in rows]
    # The documentation's sample names another id here than it asked for.
    return {"DeliveryInfoList": {"DeliveryInfo": served, "ResourceUrl": f"{url[:-1]}c"}}


def inbox_body(
    dialect: Dialect, line: tuple[str, str], batch: Sequence[tuple[str, Incoming]], pending: int, modes: SmsModes
) -> Body:
    """The answer to a poll; `line` is the registration id and the short code, `batch` pairs shown ids with texts."""
    registration, short_code = line
    url, pascal = dialect.inbox_url(registration), dialect.is_pascal(modes)
    counts: list[int | str] = ["" if modes.empty_counts and not n else n for n in (len(batch), pending)]
    if pascal:
        counts = [str(count) for count in counts]
    messages = [_message(dialect, shown, text, short_code, pascal=pascal) for shown, text in batch]
    inner = {
        "inboundSMSMessage": messages[0] if modes.single_object and len(messages) == 1 else messages,
        "numberOfMessagesInThisBatch": counts[0],
        "resourceURL": url,
        "totalNumberOfPendingMessages": counts[1],
    }
    return {"InboundSmsMessageList": _pascal(inner)} if pascal else {"inboundSMSMessageList": inner}


def _message(dialect: Dialect, shown: str, text: Incoming, short_code: str, *, pascal: bool) -> Body:
    # Version 3 shows E.164; the samples of REST and OneAPI have ten digits.
    sender = text.sender if dialect.body == "v3" or not text.sender.startswith("+1") else ten_digits(text.sender)
    least = {"messageId": shown, "message": text.text, "senderAddress": f"tel:{sender}"}
    if pascal:
        return _pascal(least)
    if dialect.body == "oneapi":
        return least
    return {**least, "destinationAddress": short_code, "dateTime": text.arrived.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _pascal(fields: Body) -> Body:
    """The same with PascalCase names, in the documentation's spelling: Sms and Url."""
    return {
        (name[0].upper() + name[1:]).replace("SMS", "Sms").replace("URL", "Url"): value
        for name, value in fields.items()
    }
