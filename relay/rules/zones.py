"""An address -> the time zones in which its owner may be, as far as a phone number tells."""

from collections.abc import Mapping
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from relay.domain.addresses import Address, AddressKind


def zones_of(address: Address, fallback: tuple[ZoneInfo, ...]) -> tuple[ZoneInfo, ...]:
    """All zones that the number's area may have; at least one.

    Where nothing is known of the area (toll-free numbers, short codes, e-mail addresses): `fallback`, or the zones
    of all US states if that is empty.
    """
    names = _names(address.value) if address.kind is AddressKind.E164 else ()
    return _loaded(names) or fallback or _loaded(_STATES)


def _names(number: str) -> tuple[str, ...]:
    """The zones' names that an E.164 number's beginning says; none if it says nothing."""
    return _in_north_america(number[1:]) if number.startswith("+1") else _abroad(number)


def _in_north_america(digits: str) -> tuple[str, ...]:
    """Those of the longest beginning that the table knows.

    Not phonenumbers' own search, which wants a number that is assigned already, and takes 20 times as long. Without
    a cache: these are a few look-ups, and a campaign's numbers are all different.
    """
    longest, zones = _table()
    for length in range(longest, len(_COUNTRY), -1):
        names = zones.get(digits[:length])
        if names is not None:
            return names
    return ()  # the country code alone stands for 42 zones, Guam's to Newfoundland's: as good as nothing


@lru_cache(maxsize=4096)
def _abroad(number: str) -> tuple[str, ...]:
    """As phonenumbers finds them: most countries' mobile numbers tell no more than the country."""
    from phonenumbers import NumberParseException, parse  # noqa: PLC0415 - as below
    from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number  # noqa: PLC0415 - as below

    try:
        names = time_zones_for_number(parse(number))
    except NumberParseException:
        return ()
    return tuple(name for name in names if name != UNKNOWN_TIMEZONE)


@cache
def _table() -> tuple[int, Mapping[str, tuple[str, ...]]]:
    """The longest beginning that phonenumbers' table has, and the zones of each."""
    # Megabytes, and only sending hours ask for them.
    from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX  # noqa: PLC0415 - for this reason

    return TIMEZONE_LONGEST_PREFIX, TIMEZONE_DATA


@lru_cache(maxsize=1024)  # the table has some 400 combinations
def _loaded(names: tuple[str, ...]) -> tuple[ZoneInfo, ...]:
    return tuple(ZoneInfo(name) for name in names)


_COUNTRY = "1"

# One for each of the clocks that people in the 50 states go by. Adak's is the Aleutian Islands', Phoenix's Arizona's.
_STATES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Adak",
    "Pacific/Honolulu",
)
