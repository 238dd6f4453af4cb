"""An address: the many ways clients and providers spell it, and its one canonical form.

Strict on the way out, lenient on the way in. The spellings come from the documentation of SMS (`tel:`, percent
encoding), of Landline Texting (`ptn:/`, ten digits, E.164) and of In-App Messaging (`short:`, e-mail).
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote


class AddressKind(StrEnum):
    """What an address is; the contract's `address_kind`."""

    E164 = "e164"
    SHORT_CODE = "short_code"
    EMAIL = "email"
    OTHER = "other"


class InvalidAddress(ValueError):  # noqa: N818 - it says what was given
    """An address that nothing can be sent to. Says what is wrong and what would be right, never the address itself."""


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody to write to, or who wrote.

    `value` is canonical: `+12065550123`, a short code's digits, `a@b.example`. `raw` is the spelling it came in:
    addresses that differ in nothing else are equal. Neither is shown by `repr`, so that no number gets into a log.
    """

    kind: AddressKind
    value: str = field(repr=False)
    raw: str = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.value

    @property
    def digits10(self) -> str:
        """The last ten digits, to match another spelling of the same number; empty where there is no number."""
        return "" if self.kind is AddressKind.EMAIL else _NOT_DIGITS.sub("", self.value)[-10:]


def outbound(text: str, *, home_country_code: str = "1") -> Address:
    """The address that a client means by `text`.

    Takes E.164, ten digits, ten digits after the home country code, `tel:` and `ptn:/` before any of these,
    `short:` and 3 to 8 digits, and e-mail addresses; blanks, dots, dashes and parentheses may stand in a number.

    Raises:
        InvalidAddress: it is none of these.
    """
    if _CANONICAL.fullmatch(text):
        # Nearly all are written so, and all that follows would change nothing.
        return Address(AddressKind.E164, text, text)
    scheme, rest = _split(text)
    if scheme == "short:":
        return Address(AddressKind.SHORT_CODE, _checked_short_code(rest), text)
    if "@" in rest and not scheme:
        return Address(AddressKind.EMAIL, _checked_email(rest), text)
    return Address(AddressKind.E164, _checked_number(scheme, rest, home_country_code), text)


@lru_cache(maxsize=4096)
def _inbound(text: str) -> Address:
    if _USUAL.fullmatch(text):
        # Nearly all are written so, and all that follows would find the same.
        return Address(AddressKind.E164, text[len("tel:") :], text)
    kind, value = _recognized(text) or (AddressKind.OTHER, _printable(text))
    return Address(kind, value, text)


def inbound(text: str) -> Address:
    """The address that a provider means by `text`; never raises.

    What is none of the known spellings becomes OTHER. Its value is `text` as far as it can be printed: at most 320
    characters, with U+FFFD in place of controls and lone surrogates. `raw` is always the whole of `text`.
    """
    # Most numbers come again and again. A long text is none, and is not to be kept in memory.
    return _inbound(text) if len(text) <= _LONGEST else Address(AddressKind.OTHER, _printable(text), text)


def tel_uri(address: Address) -> str:
    """The address as AT&T's SMS and In-App APIs take it: `tel:+1...`, `short:...` or a plain e-mail address.

    Raises:
        InvalidAddress: an address of kind OTHER, which no provider takes.
    """
    if address.kind is AddressKind.OTHER:
        raise InvalidAddress(
            "the address is of no known kind: expected a phone number, a short code or an e-mail address"
        )
    return _URI_SCHEME[address.kind] + address.value


_URI_SCHEME = {AddressKind.E164: "tel:", AddressKind.SHORT_CODE: "short:", AddressKind.EMAIL: ""}

_LONGEST = 320  # the longest e-mail address: 64, @, 255
_BLANKS = " \t\r\n"
_NOT_DIGITS = re.compile(r"[^0-9]+")
_SCHEME = re.compile(r"(?:tel:|ptn:/|short:)", re.IGNORECASE | re.ASCII)
_SPELLED_NUMBER = re.compile(r"\+?[ (]*[0-9][0-9 .()-]*")
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@)({_ATOM}(?:\.{_ATOM})*)@((?:{_LABEL}\.)+(?![0-9]){_LABEL})")

_HOME_DIGITS = 10
_NANP = re.compile(r"1[2-9][0-9]{2}[2-9][0-9]{6}")
_E164 = re.compile(r"[2-9][0-9]{6,14}")
_CANONICAL = re.compile(rf"\+(?:{_NANP.pattern}|{_E164.pattern})")

_USUAL = re.compile(r"tel:\+1[2-9][0-9]{9}")

# What providers were seen to write for a number, and what goes before its digits. The first that fits counts.
# The exchange code is not looked at: AT&T's own examples have 000 there.
_SEEN_NUMBERS = (
    (re.compile(r"(?:tel:|ptn:/)?\+?(1[2-9][0-9]{9})"), "+"),
    (re.compile(r"(?:tel:|ptn:/)?([2-9][0-9]{9})"), "+1"),
    # AT&T's callbacks may leave out the country code and keep the plus.
    (re.compile(r"tel:\+([2-9][0-9]{9})"), "+1"),
    (re.compile(r"(?:tel:|ptn:/)?\+([2-9][0-9]{6,14})"), "+"),
)


def _split(text: str) -> tuple[str, str]:
    """Scheme in lower case (or nothing) and the rest, without percent-encoding and surrounding blanks."""
    if len(text) > _LONGEST:
        raise InvalidAddress(f"the address has {len(text)} characters: expected at most {_LONGEST}")
    plain = text.strip(_BLANKS)
    if "@" not in plain:
        # Not unquote_plus: it would turn the plus of +1 into a blank. A percent sign is good in an e-mail address.
        plain = unquote(plain).strip(_BLANKS)
    scheme = _SCHEME.match(plain)
    return (scheme[0].lower(), plain[scheme.end() :].strip(_BLANKS)) if scheme else ("", plain)


def _checked_short_code(rest: str) -> str:
    if not _SHORT_CODE.fullmatch(rest):
        raise InvalidAddress("the short code is malformed: expected short: and 3 to 8 digits")
    return rest


def _checked_email(rest: str) -> str:
    email = _canonical_email(rest)
    if email is None:
        raise InvalidAddress("the e-mail address is malformed: expected name@domain in ASCII, at most 254 characters")
    return email


def _checked_number(scheme: str, rest: str, home: str) -> str:
    if not _SPELLED_NUMBER.fullmatch(rest):
        raise InvalidAddress(
            "the address is no phone number: expected ten digits, E.164 such as +1 and ten digits,"
            " short: and a short code, or an e-mail address"
        )
    digits = _NOT_DIGITS.sub("", rest)
    number = _international(scheme, digits) if rest.startswith("+") else _at_home(digits, home)
    _check_form(number)
    return f"+{number}"


def _international(scheme: str, digits: str) -> str:
    """The digits that stood after a plus: they begin with a country code."""
    if scheme == "tel:" and _NANP.fullmatch(f"1{digits}"):
        # Read literally it is another country's; AT&T itself writes US numbers so.
        raise InvalidAddress(
            "the number has ten digits after tel:+, and its country code may be missing:"
            " expected tel:+1 and ten digits, or E.164 without tel: for another country"
        )
    return digits


def _at_home(digits: str, home: str) -> str:
    """The digits that stood without a plus: a number of the home country."""
    if len(digits) == _HOME_DIGITS:
        return home + digits
    if len(digits) == len(home) + _HOME_DIGITS and digits.startswith(home):
        return digits
    raise InvalidAddress(
        f"the number has {len(digits)} digits and no plus: expected ten digits, or E.164 (plus, country code, number),"
        " or short: before a short code"
    )


def _check_form(number: str) -> None:
    if number.startswith("1") and not _NANP.fullmatch(number):
        raise InvalidAddress(
            "the number is no North American one: expected +1 and ten digits, with an area code and an exchange code"
            " that begin with 2 to 9"
        )
    if not number.startswith("1") and not _E164.fullmatch(number):
        raise InvalidAddress(
            "the number is not E.164: expected plus, a country code (1 to 9 first), 7 to 15 digits in all"
        )


def _recognized(text: str) -> tuple[AddressKind, str] | None:
    """Kind and canonical value of a spelling that providers use; None for any other."""
    try:
        scheme, rest = _split(text)
    except InvalidAddress:
        return None
    if _SHORT_CODE.fullmatch(rest):
        return AddressKind.SHORT_CODE, rest
    if not scheme and (email := _canonical_email(rest)):
        return AddressKind.EMAIL, email
    number = _seen_number(scheme, rest)
    return (AddressKind.E164, number) if number else None


def _seen_number(scheme: str, rest: str) -> str | None:
    if not _SPELLED_NUMBER.fullmatch(rest):
        return None
    spelling = scheme + ("+" if rest.startswith("+") else "") + _NOT_DIGITS.sub("", rest)
    fits = ((pattern.fullmatch(spelling), prefix) for pattern, prefix in _SEEN_NUMBERS)
    return next((prefix + match[1] for match, prefix in fits if match), None)


def _canonical_email(rest: str) -> str | None:
    """The domain in lower case; the name before it as it is, because only its own server may read it."""
    match = _EMAIL.fullmatch(rest)
    return f"{match[1]}@{match[2].lower()}" if match else None


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:_LONGEST])
