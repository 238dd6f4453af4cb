"""The virtual handsets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.providerkit.simulated import Agenda, Fate, Handset
from relay.providerkit.simulated.numbers import e164, ten_digits
from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import SmsUser


@pytest.fixture
def handset(clock: ManualClock) -> Handset:
    """Handsets with nobody to text."""
    return Handset(Agenda(clock))


@pytest.mark.parametrize(
    ("number", "fate"),
    [
        ("+12065550101", Fate.DELIVERED),
        ("+12065550013", Fate.DELIVERED),
        ("+12065550113", Fate.IMPOSSIBLE),
        ("+12065550114", Fate.STUCK),
        ("+12065550115", Fate.INVALID),
        ("+12065550116", Fate.SAYS_YES),
        ("+12065550117", Fate.SAYS_STOP),
        ("+12065550118", Fate.LATE),
        ("+12065550119", Fate.SLOW_START),
        ("+12065550120", Fate.REFUSED_ONCE),
        ("+12065550121", Fate.MUMBLED_ONCE),
        ("+12065550122", Fate.UNCERTAIN),
        ("+12065550123", Fate.NO_CARRIER),
        ("+12065550124", Fate.DELIVERED),
    ],
)
def test_a_number_s_last_digits_say_what_becomes_of_a_text(handset: Handset, number: str, fate: Fate) -> None:
    """As the table says; numbers that end in 00 and two more are always delivered."""
    assert handset.fate(number) is fate


def test_fates_can_be_switched_off(handset: Handset) -> None:
    """For tests that only want many recipients."""
    handset.modes.change({"fates": False})
    assert handset.fate("+12065550113") is Fate.DELIVERED


def test_a_text_may_name_its_numbers_in_any_form(handset: Handset) -> None:
    """They are told in E.164."""
    got: list[tuple[str, str]] = []
    handset.register("+12065550100", "office", lambda sender, text: got.append((sender, text)))
    assert handset.text("206-555", "2065550100", "odd") == "office"
    assert handset.text("tel:2065550101", "+12065550100", "hi") == "office"
    assert got == [("206-555", "odd"), ("+12065550101", "hi")]


def test_a_text_goes_to_whoever_has_the_number(handset: Handset) -> None:
    """And nobody else."""
    got: list[tuple[str, str]] = []
    handset.register("12345", "att-sms", lambda sender, text: got.append((sender, text)))
    assert handset.text("+12065550101", "12345", "hi") == "att-sms"
    assert got == [("+12065550101", "hi")]
    with pytest.raises(LookupError, match="no simulated service"):
        handset.text("+12065550101", "54321", "hi")


@pytest.mark.parametrize(("number", "answer"), [("+12065550116", "YES"), ("+12065550117", "STOP")])
async def test_some_handsets_answer_what_reaches_them(
    simulator: Simulator, sms: SmsUser, clock: ManualClock, number: str, answer: str
) -> None:
    """Three seconds after it did, to the line that wrote."""
    await sms.sent(number)
    await clock.advance(20)
    received = [line for line in simulator.world.ledger.lines() if line["what"] == "received"]
    assert [(line["from"], line["line"], line["text"]) for line in received] == [(number, "12345", answer)]


@pytest.mark.parametrize(
    "form",
    [
        "tel:+12065550101",
        "tel:12065550101",
        "tel:2065550101",
        "tel%3A%2B12065550101",
        "TEL:+12065550101",
        "ptn:/2065550101",
        "+12065550101",
        "2065550101",
        " +12065550101",
    ],
)
def test_every_form_of_the_documents_is_the_same_number(form: str) -> None:
    """E.164 is the canonical one."""
    assert e164(form) == "+12065550101"
    assert ten_digits("+12065550101") == "2065550101"


@pytest.mark.parametrize("form", ["", "tel:", "12345", "+1206555010", "+120655501011", "tel:+1206555010x", "a@b.c"])
def test_what_is_no_number_is_none(form: str) -> None:
    """Too short, too long, or not digits."""
    assert e164(form) is None


def test_numbers_from_abroad_stay_as_they_are() -> None:
    """With their country code."""
    assert e164("+442071838750") == "+442071838750"
    assert ten_digits("+442071838750") == "442071838750"


@given(st.text())
def test_any_text_is_a_number_in_canonical_form_or_none(text: str) -> None:
    """Whatever the text, nothing is raised, and what comes out is stable."""
    number = e164(text)
    assert number is None or e164(number) == number
