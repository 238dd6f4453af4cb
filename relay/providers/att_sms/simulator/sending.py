"""What AT&T checks before it takes a text (SMS documentation, Send SMS, and the OpenAPI's SendSmsRequest)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relay.providerkit.simulated import Fate, World
from relay.providerkit.simulated.numbers import e164
from relay.providers.att_sms.simulator.errors import SmsError

_MOST_ADDRESSES = 50
_MOST_CHARACTERS = 4096  # of one byte
_DOCUMENTED_ADDRESS = re.compile(r"^tel:(?:\+?1)?\d{10}$")
_GSM_BEYOND_LATIN_1 = str.maketrans("", "", "ΔΦΓΛΩΠΨΣΘΞ€")


@dataclass(frozen=True, slots=True)
class Asked:
    """A send that may be accepted."""

    numbers: Sequence[str]
    text: str
    notify: bool


def read_send(body: Any, world: World) -> Asked:
    """What a body asks for; raises SmsError as AT&T would, and records what only the documents forbid."""
    inner = body.get("outboundSMSRequest") if isinstance(body, dict) else None
    if not isinstance(inner, dict):
        raise SmsError(400, "SVC0002", "outboundSMSRequest")
    text, notify = inner.get("message"), inner.get("notifyDeliveryStatus", False)
    if not isinstance(text, str) or not text or length(text) > _MOST_CHARACTERS:
        raise SmsError(400, "SVC0002", "Message")
    if not isinstance(notify, bool):
        raise SmsError(400, "SVC0002", "notifyDeliveryStatus")
    return Asked(_numbers(inner.get("address"), world), text, notify)


def length(text: str) -> int:
    """Its length in characters of one byte: UCS-2 text has half as many."""
    try:
        return len(text.translate(_GSM_BEYOND_LATIN_1).encode("latin-1")) + sum(map(text.count, "ΔΦΓΛΩΠΨΣΘΞ€"))
    except UnicodeEncodeError:
        return len(text.encode("utf-16-be", "surrogatepass"))


def _numbers(address: Any, world: World) -> Sequence[str]:
    addresses = [address] if isinstance(address, str) else address
    if not isinstance(addresses, list) or not addresses or not all(isinstance(one, str) for one in addresses):
        raise SmsError(400, "SVC0002", "Address")
    if len(addresses) > _MOST_ADDRESSES:
        world.violations.record("att-sms", "send", f"{len(addresses)} addresses in a call; right is 50 at most")
        raise SmsError(400, "SVC0004", "Address")
    if not all(_DOCUMENTED_ADDRESS.match(one) for one in addresses):
        world.violations.record("att-sms", "send", "an address of another form; right is tel:+1 and ten digits")
    return _checked([e164(one) for one in addresses], world)


def _checked(found: Sequence[str | None], world: World) -> Sequence[str]:
    numbers = [number for number in found if number and number.startswith("+1")]
    if len(numbers) < len(found) or any(world.handset.fate(number) is Fate.INVALID for number in numbers):
        raise SmsError(400, "SVC0004", "Address")
    if len(set(numbers)) < len(numbers):
        world.violations.record("att-sms", "send", "an address twice in a call; right is each once")
        raise SmsError(400, "POL0013", "Address")
    return numbers
