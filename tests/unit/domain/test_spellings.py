"""Whether foreign bytes hold somebody's address, in whatever spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import inbound, outbound
from relay.domain.spellings import Spellings

ALICE, JANE, LONDON = outbound("+12065550101"), outbound("Jane.Doe@mail.example"), outbound("+442079460123")
WHO = Spellings({ALICE: "A", JANE: "J", LONDON: "L"})


@pytest.mark.parametrize(
    "spelled",
    [
        "2065550101",
        "+12065550101",
        "12065550101",
        "tel:+12065550101",
        "tel%3A%2B12065550101",
        "ptn:/12065550101",
        "206-555-0101",
        "(206) 555-0101",
        "+1 (206) 555-0101",
        "206.555.0101",
        "%28206%29%20555-0101",
        "\\u002b12065550101",
        "call 206 555 0101 now",
        "<from>2065550101</from>",
        "jane.doe@MAIL.example",
        "jane.doe%40mail.example",
        "jane.doe\\u0040mail.example",
        "<Jane.Doe@mail.example>",
        "+44 20 7946 0123",
    ],
)
def test_an_address_is_found_in_every_spelling(spelled: str) -> None:
    """As people, AT&T's services, URLs and JSON write it."""
    assert WHO.stand_in(b'{"a": "' + spelled.encode() + b'"}')


@pytest.mark.parametrize(
    "other",
    ["2065550102", "+12065550102", "206-555-010", "ajane.doe@mail.example", "jane.doe@mail.example2", "12345", ""],
)
def test_somebody_else_is_not_found(other: str) -> None:
    """A digit or a letter more makes another."""
    assert not WHO.stand_in(b'{"a": "' + other.encode() + b'"}')


def test_what_stands_for_them_takes_their_place() -> None:
    """Each has their own."""
    assert WHO.replaced("to tel:+12065550101, (+44 20 7946 0123)") == "to tel:A, (L)"
    assert WHO.replaced("Jane.Doe@mail.example") == "J"
    assert (WHO.name_of("206-555-0101"), WHO.name_of("JANE.DOE@mail.example")) == ("A", "J")
    assert WHO.name_of("+12065550102") is None


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange(raw: bytes) -> None:
    """They hold somebody, or they do not."""
    assert WHO.stand_in(raw) in {True, False}


@given(st.text(max_size=20).filter(lambda text: not any(char.isdigit() or char in "+( .)-/%\\" for char in text)))
def test_what_stands_around_a_number_hides_it_never(around: str) -> None:
    """Unless it is digits itself, or what stands between them."""
    assert WHO.stand_in(f"{around}2065550101{around}".encode())


@given(st.integers(2_000_000_000, 9_999_999_999))
def test_every_number_is_found_by_itself(number: int) -> None:
    """In the form in which providers write it."""
    address = inbound(str(number))
    assert Spellings({address: "x"}).name_of(f"tel:+1{number}") == "x"
