"""What is checked before a text is taken (Landline document, Send a Text Message)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from multidict import MultiMapping

from relay.providerkit.simulated import Fate, World
from relay.providerkit.simulated.numbers import e164
from relay.providers.att_landline.formdata import FilePart
from relay.providers.att_landline.schedule import PACIFIC
from relay.providers.att_landline.simulator.failures import BAD_ARGUMENTS, LandlineError
from relay.providers.att_landline.simulator.modes import LandlineModes

_MOST_CONTACTS = 15
_MOST_BYTES = 250
_SECONDS, _MILLISECONDS, _DOCUMENTED_TYPO = 10, 13, 14  # digits of a scheduledDate


@dataclass(frozen=True, slots=True)
class Asked:
    """A send whose arguments are good."""

    numbers: Sequence[str]
    body: str
    scheduled: datetime | None = None
    files: Sequence[FilePart] = ()


def read_send(fields: MultiMapping[str], world: World, modes: LandlineModes) -> Asked:
    """What the fields ask for; raises LandlineError (-703), and records what the document forbids."""
    body = fields.get("body", "")
    size = len(body.encode(errors="surrogatepass"))
    if size > _MOST_BYTES:
        world.violations.record("att-landline", "send", f"a body of {size} bytes; right is 250 at most")
    if not 0 < size <= _MOST_BYTES:
        raise LandlineError(BAD_ARGUMENTS)
    numbers = _numbers(fields.getall("contacts", []), world)
    return Asked(numbers, body, _date(fields.get("scheduledDate"), world, modes))


def _numbers(contacts: Sequence[str], world: World) -> Sequence[str]:
    if len(contacts) > _MOST_CONTACTS:
        world.violations.record("att-landline", "send", f"{len(contacts)} contacts in a call; right is 15 at most")
    if not 0 < len(contacts) <= _MOST_CONTACTS:
        raise LandlineError(BAD_ARGUMENTS)
    if any(contact.startswith(" ") for contact in contacts):
        world.violations.record("att-landline", "send", "a contact that begins with a blank; right is + sent as %2B")
    numbers = [number for contact in contacts if (number := e164(contact))]
    if len(numbers) < len(contacts) or any(world.handset.fate(number) is Fate.INVALID for number in numbers):
        raise LandlineError(BAD_ARGUMENTS)
    once = list(dict.fromkeys(numbers))
    if len(once) < len(numbers):
        world.violations.record("att-landline", "send", "a contact twice in a call; right is each once")
    return once


def _date(asked: str | None, world: World, modes: LandlineModes) -> datetime | None:
    """Milliseconds since 1970; lenient: also seconds, and the document's own sample, which has a digit too many."""
    if not asked:
        return None
    if len(asked) != _MILLISECONDS:
        world.violations.record("att-landline", "send", f"a date of {len(asked)} digits; right is milliseconds, 13")
    factor = {_MILLISECONDS: 1.0}
    if modes.dates == "lenient":
        factor |= {_SECONDS: 1000.0, _DOCUMENTED_TYPO: 0.1}
    if not asked.isdecimal() or not asked.isascii() or len(asked) not in factor:
        raise LandlineError(BAD_ARGUMENTS)
    date = datetime.fromtimestamp(int(asked) * factor[len(asked)] / 1000, UTC)
    return date.replace(tzinfo=ZoneInfo(PACIFIC)) if modes.dates_in == "pacific" else date
