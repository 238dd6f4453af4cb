"""A recipient's zones, as far as the number tells."""

import subprocess
import sys
import time
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from relay.domain.addresses import Address, AddressKind, inbound, outbound
from relay.rules.zones import zones_of

STATES = {"New_York", "Chicago", "Denver", "Phoenix", "Los_Angeles", "Anchorage", "Adak", "Honolulu"}
HOME = (ZoneInfo("America/Denver"),)


def _names(address: Address, fallback: tuple[ZoneInfo, ...] = ()) -> set[str]:
    return {zone.key.rpartition("/")[2] for zone in zones_of(address, fallback)}


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+12133734253", {"Los_Angeles"}),
        ("+12125550123", {"New_York"}),
        ("+16025550123", {"Phoenix"}),
        ("+18085550123", {"Honolulu"}),
        ("+17875550123", {"Puerto_Rico"}),
        ("+16715550123", {"Guam"}),
        ("+12085550123", {"Boise", "Los_Angeles"}),
        ("+12082010123", {"Denver"}),
    ],
)
def test_an_area_code_tells_the_zones(number: str, zones: set[str]) -> None:
    """All that the area may have: Idaho has two, and some exchanges say which."""
    assert _names(outbound(number), HOME) == zones


@pytest.mark.parametrize(
    "address",
    ["+18005550123", "+18885550123", "+15005550123", "short:12345", "somebody@mail.example", "not an address"],
)
def test_what_tells_nothing_is_taken_for_the_line_s_own_zone(address: str) -> None:
    """Toll-free numbers, personal numbers, and what is no number."""
    whom = inbound(address) if " " in address else outbound(address)
    assert zones_of(whom, HOME) == HOME
    assert _names(whom) == STATES


def test_an_area_code_that_is_not_in_the_table_tells_nothing() -> None:
    """A new one is in the next release of phonenumbers."""
    unused = next(
        str(area) for area in range(200, 1000) if not any(key.startswith(f"1{area}") for key in TIMEZONE_DATA)
    )
    assert zones_of(outbound(f"+1{unused}5550123"), HOME) == HOME


def test_a_country_that_is_none_tells_nothing() -> None:
    """No country has these digits."""
    assert zones_of(outbound("+9990123456"), HOME) == HOME
    assert zones_of(outbound("+2100123456"), HOME) == HOME


ABROAD = [
    region for region in sorted(phonenumbers.SUPPORTED_REGIONS) if phonenumbers.country_code_for_region(region) != 1
]


@pytest.mark.parametrize("region", ABROAD)
def test_every_other_country_has_the_zones_that_phonenumbers_finds(region: str) -> None:
    """Its mobile numbers', of which most tell the country alone; none where phonenumbers knows none."""
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    expected = set(time_zones_for_number(number)) - {UNKNOWN_TIMEZONE} if number else set()
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if number else "+9990123456"
    assert {zone.key for zone in zones_of(inbound(written), HOME)} == (expected or {"America/Denver"})


@given(st.from_regex(r"\A1[2-9][0-9]{2}[2-9][0-9]{6}\Z"))
def test_a_north_american_number_has_the_zones_of_its_longest_known_beginning(digits: str) -> None:
    """Compared with a search of the whole table."""
    known = [key for key in TIMEZONE_DATA if len(key) > 1 and digits.startswith(key)]
    expected = set(TIMEZONE_DATA[max(known, key=len)]) if known else {"America/Denver"}
    assert {zone.key for zone in zones_of(outbound(f"+{digits}"), HOME)} == expected


@given(st.builds(Address, st.sampled_from(AddressKind), st.text(max_size=20), st.just("")))
def test_any_address_has_a_zone(address: Address) -> None:
    """Whatever is in the value."""
    assert zones_of(address, ())


def test_a_campaign_is_quick() -> None:
    """Fifty thousand different numbers: well under a second."""
    campaign = [outbound(f"+1212{number:07}") for number in range(2_000_000, 2_050_000)]
    started = time.perf_counter()
    for whom in campaign:
        zones_of(whom, ())
    assert time.perf_counter() - started < 2


def test_the_zones_are_known_on_a_machine_that_has_none() -> None:
    """A bare machine has no /usr/share/zoneinfo: the tzdata package knows every zone that a number may have."""
    program = (
        "from zoneinfo import ZoneInfo, TZPATH; from phonenumbers.tzdata import TIMEZONE_DATA;"
        " assert not TZPATH; [ZoneInfo(name) for names in TIMEZONE_DATA.values() for name in names];"
        " from relay.rules.zones import zones_of, _STATES, _loaded; assert len(_loaded(_STATES)) == 8"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONTZPATH": "", "PYTHONPATH": ":".join(sys.path)}, check=False
    )
    assert done.returncode == 0
