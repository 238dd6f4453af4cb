"""People's addresses, and what stands for each of them -> whether foreign bytes hold one, in whatever spelling."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from relay.domain.addresses import Address, AddressKind, inbound

# Digits with what people and programs put between them: `(206) 555-0123`, `+1.206.555.0123`.
_RUN = re.compile(r"\+?[( ]{0,2}[0-9](?:[ .()/\xa0-]{0,3}[0-9]){6,}")
_NOT_DIGITS = re.compile(r"[^0-9]+")
_ESCAPED = re.compile(r"\\u00([0-9a-fA-F]{2})")
_HOME = "+1"
_BEFORE, _AFTER = r"(?<![a-z0-9._%+-])", r"(?![a-z0-9-])"


@dataclass(frozen=True, slots=True)
class Spellings:
    """Addresses that are looked for.

    A number is found by its digits, whatever stands between them: a North American one by its last ten, for many
    leave out the country code. It is also found inside of longer digits: nothing of it may be left.

    Args:
        names: what stands for each address from now on.
    """

    names: Mapping[Address, str] = field(repr=False)
    _numbers: dict[str, str] = field(init=False, repr=False, default_factory=dict)
    _mails: dict[str, str] = field(init=False, repr=False, default_factory=dict)
    _exact: dict[str, str] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for address, name in self.names.items():
            self._exact[address.value.lower()] = name
            if address.kind is AddressKind.E164:
                self._numbers[_digits_of(address.value)] = name
            else:
                self._mails[address.value.lower()] = name

    def name_of(self, text: str) -> str | None:
        """What stands for the address that `text` is, as journals and providers write it; None: it is nobody's here."""
        return self._exact.get(inbound(text).value.lower())

    def stand_in(self, raw: bytes) -> bool:
        """Whether one of the addresses is somewhere in `raw`, be it percent-encoded or escaped as JSON may be."""
        text = raw.decode("latin-1")
        return any(self._is_in(spelled) for spelled in {text, unquote(text, "latin-1"), _unescaped(text)})

    def replaced(self, text: str) -> str:
        """`text` with what stands for them in the place of all addresses."""
        text = _RUN.sub(lambda run: self._number_in(_NOT_DIGITS.sub("", run[0])) or run[0], text)
        for mail, name in self._mails.items():
            text = _pattern(mail).sub(name, text)
        return text

    def needles(self) -> list[bytes]:
        """What is to be found nowhere any more, as it is mostly written."""
        return [one.encode("ascii", "backslashreplace") for one in (*self._numbers, *self._mails)]

    def _is_in(self, text: str) -> bool:
        if self._numbers and any(self._number_in(_NOT_DIGITS.sub("", run[0])) for run in _RUN.finditer(text)):
            return True
        lower = text.lower() if self._mails else ""
        return any(mail in lower and _pattern(mail).search(lower) for mail in self._mails)

    def _number_in(self, digits: str) -> str | None:
        for length in {len(number) for number in self._numbers}:
            for start in range(len(digits) - length + 1):
                name = self._numbers.get(digits[start : start + length])
                if name is not None:
                    return name
        return None


def _digits_of(value: str) -> str:
    return value[len(_HOME) :] if value.startswith(_HOME) else value[1:]


def _pattern(mail: str) -> re.Pattern[str]:
    return re.compile(f"{_BEFORE}{re.escape(mail)}{_AFTER}", re.IGNORECASE)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
