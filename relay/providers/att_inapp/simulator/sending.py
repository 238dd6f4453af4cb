"""What AT&T checks before it takes a message (OpenAPI of In-App Messaging, sendMessage; FAQ; MMS as the kits send)."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from relay.providerkit.simulated import ApiError, Fate, World, wrong
from relay.providers.att_inapp.simulator.addresses import canonical, is_abroad, is_documented, is_number
from relay.providers.att_inapp.simulator.mail import MailPart
from relay.providers.att_inapp.simulator.multipart import SentPart, read_multipart

MOST_BYTES = 1 << 20
_MOST_ADDRESSES = 10
_MOST_CHARACTERS_OF_AN_SMS = 160
_MOST_FILES = 21
_FIELDS = frozenset(("addresses", "text", "subject", "group", "isGroup"))
_FLAGS = {True: True, False: False, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Asked:
    """A send that may be accepted: `to` are canonical, and each stands there once."""

    to: Sequence[str]
    text: str | None
    subject: str | None
    group: bool
    files: Sequence[MailPart]

    @property
    def is_mms(self) -> bool:
        """Whether it goes as MMS: all but a short text of Latin-1, and alone (FAQ)."""
        text = self.text or ""
        latin_1 = all(ord(character) < 256 for character in text)  # noqa: PLR2004 - Latin-1's size
        short = len(text) <= _MOST_CHARACTERS_OF_AN_SMS
        return bool(self.files or self.subject or self.group) or not (latin_1 and short)


@dataclass(frozen=True, slots=True)
class Sender:
    """Reads what a subscriber asks to send.

    Args:
        world: has the handsets, and where violations go.
        number: the subscriber's.
    """

    world: World
    number: str

    def read(self, content_type: str, body: bytes) -> Asked:
        """What a request asks for; raises ApiError as AT&T would, and records what only the documents forbid."""
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "application/json":
            return self._asked(_json(body), ())
        if kind not in ("multipart/related", "multipart/form-data"):
            raise wrong("Content-Type")
        root, parts = read_multipart(content_type, body, self._complain)
        return self._asked(_json(root.data), self._files(parts))

    def _complain(self, what: str) -> None:
        self.world.violations.record("att-inapp", "send", what)

    def _files(self, parts: Sequence[SentPart]) -> Sequence[MailPart]:
        if len(parts) > _MOST_FILES:
            self._complain(f"{len(parts)} attachments; right is 21 at most")
            raise wrong("attachments")
        return [
            MailPart(part.filename or f"file{place}", part.content_type or "application/octet-stream", part.data)
            for place, part in enumerate(parts)
        ]

    def _asked(self, body: Any, files: Sequence[MailPart]) -> Asked:
        inner = body.get("messageRequest") if isinstance(body, dict) else None
        if not isinstance(inner, dict):
            raise wrong("messageRequest")
        if unknown := inner.keys() - _FIELDS:
            self._complain(f"{len(unknown)} fields that are not documented; right are {', '.join(sorted(_FIELDS))}")
        text, subject = inner.get("text"), inner.get("subject")
        if not isinstance(text, str | None) or not (text or files):
            raise wrong("text")
        if not isinstance(subject, str | None):
            raise wrong("subject")
        asked = Asked(self._recipients(inner.get("addresses")), text, subject, self._group(inner), files)
        self._check(asked)
        return asked

    def _group(self, inner: dict[str, Any]) -> bool:
        """Whether it is a group message: the document says `group`, the kits `isGroup`, some in letters."""
        said = [inner[name] for name in ("group", "isGroup") if inner.get(name) is not None]
        if not all(isinstance(flag, bool | str) and flag in _FLAGS for flag in said):
            raise wrong("group")
        flags = {_FLAGS[flag] for flag in said}
        if len(flags) > 1:
            self._complain("group and isGroup that contradict one another")
        return True in flags

    def _check(self, asked: Asked) -> None:
        if asked.group and len(asked.to) == 1:
            self._complain("a group message to one address; right is two or more")
            raise wrong("group")
        texts = (asked.text or "", asked.subject or "")
        size = sum(len(text.encode(errors="replace")) for text in texts) + sum(len(part.data) for part in asked.files)
        if size > MOST_BYTES:
            self._complain(f"a message of {size} bytes; right is 1 MB at most")
            raise wrong("size")

    def _recipients(self, addresses: Any) -> Sequence[str]:
        listed = [addresses] if isinstance(addresses, str) else addresses
        if not isinstance(listed, list) or not listed or not all(isinstance(one, str) for one in listed):
            raise wrong("addresses")
        once = list(dict.fromkeys(canonical(one) for one in listed))
        if len(listed) > _MOST_ADDRESSES:
            self._complain(f"{len(listed)} addresses in a call; right is 10 at most")
            raise ApiError(400, "POL0003", "addresses")
        if not all(is_documented(one) for one in listed):
            self._complain("an address of another form; right is tel:+1 and ten digits, short: and digits, or e-mail")
        known = [one for one in once if one is not None]
        if len(known) < len(once) or any(self._is_refused(one) for one in known):
            raise ApiError(400, "SVC0004", "addresses")
        return known

    def _is_refused(self, address: str) -> bool:
        rules: Sequence[tuple[Callable[[str], bool], str]] = (
            (is_abroad, "a number outside the U.S.A. as recipient"),
            (self.number.__eq__, "the subscriber's own number as recipient"),
        )
        for forbids, what in rules:
            if forbids(address):
                self._complain(what)
                return True
        return is_number(address) and self.world.handset.fate(address) is Fate.INVALID


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise wrong("body") from error
