"""Addresses: every spelling that was seen, one canonical form, and no number in an error."""

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import Address, AddressKind, InvalidAddress, inbound, outbound, tel_uri

SEATTLE = "+12065550123"

nanp = st.from_regex(r"\+1[2-9][0-9]{2}[2-9][0-9]{6}", fullmatch=True)
elsewhere = st.from_regex(r"\+[2-9][0-9]{6,14}", fullmatch=True)
short_codes = st.from_regex(r"[0-9]{3,8}", fullmatch=True)
emails = st.from_regex(r"[a-z0-9+_-]{1,20}(\.[a-z0-9]{1,9})?@([a-z0-9]{1,9}\.){1,3}[a-z]{2,9}", fullmatch=True)
# Surrogates included: JSON can carry a lone one.
anything = st.text(st.characters(), max_size=60) | st.text(
    "+0123456789 ().-%:/@abtelpnshor\x00\ud800\uff10", max_size=40
)

BOTH_WAYS = [
    "+12065550123",
    "2065550123",
    "12065550123",
    "+1 (206) 555-0123",
    "(206) 555-0123",
    "206.555.0123",
    "1-206-555-0123",
    "  +1 206 555 0123\r\n",
    "tel:+12065550123",
    "TEL:+12065550123",
    "tel:12065550123",
    "tel:2065550123",
    "tel:+1-206-555-0123",
    "tel%3A%2B12065550123",
    "tel%3a%2b12065550123",
    "tel:%2B12065550123",
    "%2B12065550123",
    "ptn:/2065550123",
    "ptn:/12065550123",
    "ptn:/+12065550123",
    "ptn%3A%2F2065550123",
]


@pytest.mark.parametrize("text", BOTH_WAYS)
@pytest.mark.parametrize("read", [outbound, inbound])
def test_every_spelling_of_a_us_number_is_one_address(read: Callable[[str], Address], text: str) -> None:
    """Whoever writes it, and however: the value is E.164 and the raw form is kept."""
    address = read(text)
    assert (address.kind, address.value, address.raw) == (AddressKind.E164, SEATTLE, text)


def test_spellings_of_one_number_are_equal() -> None:
    """Recipients are told apart by what they are, not by how they were written."""
    assert len({outbound(text) for text in BOTH_WAYS}) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tel:+2065550123", "+12065550123"),  # AT&T's callback, without the country code
        ("tel%3A%2B2065550123", "+12065550123"),
        ("tel: 12065550123", "+12065550123"),  # somebody's form decoding made a blank of the plus
        ("3500000992", "+13500000992"),  # AT&T's own example, with an exchange code that cannot be
        ("tel:+13500000992", "+13500000992"),
        ("+447911123456", "+447911123456"),
        ("tel:+447911123456", "+447911123456"),
        ("+4712345678", "+4712345678"),  # ten digits after a plus are Norway's, unless AT&T says tel:
    ],
)
def test_what_providers_write_for_a_number_is_understood(text: str, value: str) -> None:
    """The documented spellings and the ones that were caught on the wire."""
    assert inbound(text) == Address(AddressKind.E164, value, text)


@pytest.mark.parametrize("text", ["12345", "short:12345", "SHORT:12345", "short%3A12345", "tel:12345", "ptn:/12345"])
def test_a_short_code_that_wrote_is_known_as_one(text: str) -> None:
    """Three to eight digits are a short code where a provider says them."""
    assert inbound(text) == Address(AddressKind.SHORT_CODE, "12345", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ann@b.example", "ann@b.example"),
        ("Ann.Lee+x%41@Mail.B.Example", "Ann.Lee+x%41@mail.b.example"),
        ("ann%40b.example", "ann@b.example"),
        (" ann@b.example\n", "ann@b.example"),
    ],
)
@pytest.mark.parametrize("read", [outbound, inbound])
def test_an_email_address_keeps_its_name_and_lowers_its_domain(
    read: Callable[[str], Address], text: str, value: str
) -> None:
    """Only its own server may read the name; plus and percent signs in it stay."""
    assert read(text) == Address(AddressKind.EMAIL, value, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "hello",
        "12",
        "123456789",
        "555-0123",
        "1206555012",  # a digit was lost
        "tel:+1206555012",
        "+11065550123",
        "447911123456",
        "+1206555012345678",
        "short:12",
        "short:123456789",
        "short:+12345",
        "short:2065550123",
        "tel:",
        "tel:ann@b.example",
        "tel:+12065550123;ext=5",
        "1-800-FLOWERS",
        "+1206555\uff10123",  # a full-width zero
        "\uff11\uff12\uff13\uff14\uff15",
        "+1206\x005550123",
        "+1206\ud8005550123",
        "%2B1206%005550123",
        "%FF",
        "ann@localhost",
        "ann@@b.example",
        "@b.example",
        "an n@b.example",
        ".ann@b.example",
        "ann@-b.example",
        "ann@192.0.2.1",
        "\u00e4nn@b.example",
        "a" * 65 + "@b.example",
        "ann@" + "b" * 64 + ".example",
        "2" * 1_000_000,
        "ann@" + "b." * 500_000 + "example",
    ],
)
def test_what_is_no_address_is_refused_outbound_and_kept_inbound(text: str) -> None:
    """A client hears what would be right; what a provider sent is not lost."""
    with pytest.raises(InvalidAddress, match="expected"):
        outbound(text)
    address = inbound(text)
    assert (address.kind, address.raw) == (AddressKind.OTHER, text)
    assert len(address.value) <= 320


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("12345", "5 digits and no plus: .* short: before a short code"),
        ("12345678", "8 digits and no plus"),
        ("tel:12345", "5 digits and no plus"),
        ("tel:+2065550123", "country code may be missing"),
        ("2061550123", "exchange code"),
        ("+11065550123", "area code"),
        ("+0065550123", "country code"),
        ("+44791", "7 to 15 digits"),
        ("short:x", "3 to 8 digits"),
        ("ann@b", "name@domain"),
        ("x" * 321, "at most 320"),
    ],
)
def test_a_refusal_says_what_would_be_right(text: str, hint: str) -> None:
    """Each mistake has its own words."""
    with pytest.raises(InvalidAddress, match=hint):
        outbound(text)


def test_a_short_code_is_written_to_with_its_scheme() -> None:
    """Bare digits could be a mistyped number, so outbound they need `short:`."""
    assert outbound("short:12345") == Address(AddressKind.SHORT_CODE, "12345", "short:12345")


@pytest.mark.parametrize("text", ["7911123456", "447911123456", "+447911123456", "tel:7911123456"])
def test_ten_digits_are_a_number_of_the_home_country(text: str) -> None:
    """The home country is a setting; the checks of North America are for North America."""
    assert outbound(text, home_country_code="44").value == "+447911123456"


@pytest.mark.parametrize(
    ("text", "uri"),
    [("2065550123", "tel:+12065550123"), ("short:12345", "short:12345"), ("ann@b.example", "ann@b.example")],
)
def test_a_provider_is_given_the_documented_spelling(text: str, uri: str) -> None:
    """AT&T's APIs tell numbers, short codes and e-mail addresses apart by the scheme."""
    assert tel_uri(outbound(text)) == uri


def test_a_provider_is_never_given_an_unknown_address() -> None:
    """What could not be understood cannot be written to either."""
    with pytest.raises(InvalidAddress, match="of no known kind"):
        tel_uri(inbound("Front desk"))


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("+12065550123", "2065550123"),
        ("tel:+2065550123", "2065550123"),
        ("+447911123456", "7911123456"),
        ("+4412345", "4412345"),
        ("12345", "12345"),
        ("ann1@b.example", ""),
        ("Front desk", ""),
    ],
)
def test_the_last_ten_digits_match_other_spellings(text: str, digits: str) -> None:
    """A provider may leave out the country code; an e-mail address has no number in it."""
    assert inbound(text).digits10 == digits


def test_an_address_does_not_show_itself_in_a_log() -> None:
    """`str` is for the wire; `repr`, which gets into logs and tracebacks, names the kind only."""
    address = outbound("206-555-0123")
    assert str(address) == SEATTLE
    assert "206" not in repr(address)
    assert "e164" in repr(address)


@given(anything)
def test_inbound_never_raises_and_keeps_the_raw_form(text: str) -> None:
    """Whatever a provider sends; and what goes on to the bus can be printed and encoded."""
    address = inbound(text)
    assert address.raw == text
    assert len(address.value) <= 320
    assert address.value.isprintable()
    address.value.encode()


@given(anything)
def test_outbound_gives_a_sendable_address_or_raises_without_quoting_it(text: str) -> None:
    """An accepted address is one of three forms; a refusal quotes no more than the count of its digits."""
    try:
        address = outbound(text)
    except InvalidAddress as refusal:
        complaint = str(refusal)
    else:
        complaint = ""
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}|[!-~]+@[a-z0-9.-]+", address.value)
        assert inbound(text) == address
    assert all(len(run) < 4 for run in re.findall("[0-9]+", complaint))


@given(nanp, st.sampled_from([" ", ".", "-", ") ", "("]), st.integers(2, 11))
def test_separators_do_not_change_a_number(number: str, separator: str, at: int) -> None:
    """People write numbers as they like."""
    assert outbound(number[:at] + separator + number[at:]).value == number


@given(nanp | elsewhere)
def test_a_canonical_number_reads_as_itself_both_ways(number: str) -> None:
    """What relay publishes as a sender can be put into `to` as it stands."""
    assert outbound(number).value == number
    assert inbound(number).value == number


@given(nanp.map(outbound) | short_codes.map(lambda code: outbound(f"short:{code}")) | emails.map(outbound))
def test_what_a_provider_is_given_reads_back_as_the_same_address(address: Address) -> None:
    """Plain and percent-encoded, on both sides."""
    assert outbound(tel_uri(address)) == address
    assert inbound(tel_uri(address)) == address
    assert inbound(quote(tel_uri(address), safe="")) == address


@given(nanp, nanp)
def test_two_numbers_are_two_addresses(one: str, other: str) -> None:
    """No two numbers fall together, so no text goes to a wrong person."""
    assert (outbound(one) == outbound(other)) == (one == other)
    assert (outbound(one).digits10 == outbound(other).digits10) == (one == other)


@given(nanp | elsewhere | st.from_regex(r"\+[0-9]{5,17}", fullmatch=True) | st.text(), st.sampled_from(["1", "44"]))
def test_the_short_way_says_what_the_long_way_says(text: str, home: str) -> None:
    """A blank after it changes no address, and has it read the long way."""

    def said(text: str) -> tuple[AddressKind, str] | str:
        try:
            address = outbound(text, home_country_code=home)
        except InvalidAddress as refusal:
            return str(refusal)
        assert address.raw == text
        return address.kind, address.value

    short, long = said(text[:300]), said(f"{text[:300]} ")
    assert short == long


@given(st.from_regex(r"1[2-9][0-9]{9}", fullmatch=True))
def test_the_usual_spelling_is_read_as_every_other_one(digits: str) -> None:
    """It takes a short way; capitals take the long one."""
    assert inbound(f"tel:+{digits}") == inbound(f"TEL:+{digits}") == inbound(f"tel:{digits}")
    assert inbound(f"tel:+{digits}").value == f"+{digits}"
    assert inbound(f"tel:+{digits}").kind is AddressKind.E164
