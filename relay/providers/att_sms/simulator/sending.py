"""What AT&T checks before it takes a text (SMS documentation, Send SMS, and the OpenAPI's SendSmsRequest)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from relay.providerkit.simulated import ApiError, Fate, World, wrong
from relay.providerkit.simulated.numbers import e164
from relay.providers.att_sms.simulator.accounts import checked_url
from relay.providers.att_sms.simulator.bodies import Fields

_MOST_ADDRESSES = 50
_MOST_CHARACTERS = 4096  # of one byte
_DOCUMENTED_ADDRESS = re.compile(r"^tel:(?:\+?1)?\d{10}$")
_GSM_BEYOND_LATIN_1 = str.maketrans("", "", "ΔΦΓΛΩΠΨΣΘΞ€")


@dataclass(frozen=True, slots=True)
class Receipt:
    """OneAPI's receiptRequest: where its status is notified."""

    url: str
    callback_data: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A send that may be accepted."""

    numbers: Sequence[str]
    text: str
    notify: bool
    correlator: str = ""
    receipt: Receipt | None = None


def read_send(fields: Fields, sender: str, world: World) -> Asked:
    """What is asked for; raises ApiError as AT&T would, and records what the documents forbid.

    Args:
        fields: of the body.
        sender: the short code that the address of the request names, or the account's own.
        world: has the handsets, and the violations.
    """
    if not isinstance(fields.message, str) or not fields.message:
        raise _forbidden(world, "Message", "no message; right is a text")
    if length(fields.message) > _MOST_CHARACTERS:
        raise _forbidden(world, "Message", f"a text of {length(fields.message)}; right is 4096 one-byte characters")
    if not isinstance(fields.notify, bool):
        raise _forbidden(world, "notifyDeliveryStatus", "notifyDeliveryStatus is no boolean")
    if fields.sender is not None and short_code(fields.sender) != sender:
        raise _forbidden(world, "senderAddress", "a senderAddress that is not the address's own")
    correlator = fields.correlator if isinstance(fields.correlator, str) else ""
    receipt = _receipt(fields.receipt, world) if fields.receipt is not None else None
    return Asked(_numbers(fields.address, world), fields.message, fields.notify, correlator, receipt)


def _forbidden(world: World, part: str, what: str) -> ApiError:
    world.violations.record("att-sms", "send", what)
    return wrong(part)


def _receipt(receipt: Any, world: World) -> Receipt:
    found = receipt if isinstance(receipt, Mapping) else {}
    data = found.get("callbackData", "")
    try:
        url = checked_url(found.get("notifyURL"))
    except ValueError:
        url = ""
    if not url or not isinstance(data, str):
        raise _forbidden(world, "receiptRequest", "a receiptRequest without a notifyURL that is an address")
    return Receipt(url, data)


def short_code(address: Any) -> str:
    """A sender's address without its scheme; "" for what is no text."""
    return re.sub(r"^(?:tel|short):\+?", "", unquote(address)) if isinstance(address, str) else ""


def length(text: str) -> int:
    """Its length in characters of one byte: UCS-2 text has half as many."""
    try:
        return len(text.translate(_GSM_BEYOND_LATIN_1).encode("latin-1")) + sum(map(text.count, "ΔΦΓΛΩΠΨΣΘΞ€"))
    except UnicodeEncodeError:
        return len(text.encode("utf-16-be", "surrogatepass"))


def _numbers(address: Any, world: World) -> Sequence[str]:
    addresses = [address] if isinstance(address, str) else address
    if not isinstance(addresses, list) or not addresses or not all(isinstance(one, str) for one in addresses):
        raise _forbidden(world, "Address", "no address; right is a list of texts")
    if len(addresses) > _MOST_ADDRESSES:
        world.violations.record("att-sms", "send", f"{len(addresses)} addresses in a call; right is 50 at most")
        raise ApiError(400, "SVC0004", "Address")
    if not all(_DOCUMENTED_ADDRESS.match(one) for one in addresses):
        world.violations.record("att-sms", "send", "an address of another form; right is tel:+1 and ten digits")
    return _checked([e164(one) for one in addresses], world)


def _checked(found: Sequence[str | None], world: World) -> Sequence[str]:
    numbers = [number for number in found if number and number.startswith("+1")]
    if len(numbers) < len(found) or any(world.handset.fate(number) is Fate.INVALID for number in numbers):
        raise ApiError(400, "SVC0004", "Address")
    if len(set(numbers)) < len(numbers):
        world.violations.record("att-sms", "send", "an address twice in a call; right is each once")
        raise ApiError(400, "POL0013", "Address")
    return numbers
