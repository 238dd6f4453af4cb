"""What happens to a line without any request: a handset sends an MMS, AT&T's web app is used, sessions are revoked."""

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from relay.providerkit.simulated import World
from relay.providerkit.simulated.numbers import e164
from relay.providers.att_landline.formdata import FilePart
from relay.providers.att_landline.simulator.engine import Engine
from relay.providers.att_landline.simulator.inbound import Inbound
from relay.providers.att_landline.simulator.lines import LandlineLine, Lines
from relay.providers.att_landline.simulator.outbound import Outbound
from relay.providers.att_landline.simulator.texts import Text, Texts


class Actions:
    """The actions of Landline Texting, by name; all raise ValueError where their facts are wrong.

    `receive` {line, from, text, parts}, `text-from-app` {line, to, text, parts}, `read` {id}, `unread` {id},
    `delete` {id}, `revoke-sessions` {line}, `change-password` {line}. A part is {content_type, filename, data} with
    its data in base64. `line` may be left out where there is one line.
    """

    def __init__(
        self, world: World, lines: Lines, texts: Texts, engine: Engine, inbound: Inbound, outbound: Outbound
    ) -> None:
        self._world = world
        self._lines = lines
        self._texts = texts
        self._engine = engine
        self._inbound = inbound
        self._outbound = outbound
        self._actions = {
            "receive": self._receive,
            "text-from-app": self._send,
            "read": self._read,
            "unread": self._unread,
            "delete": self._delete,
            "revoke-sessions": self._revoke,
            "change-password": self._change_password,
        }

    def do(self, action: str, facts: Mapping[str, Any]) -> None:
        """Do it."""
        if action not in self._actions:
            raise ValueError(f"`do` is to be one of {', '.join(self._actions)}")
        self._actions[action](facts)

    def _receive(self, facts: Mapping[str, Any]) -> None:
        sender = _string(facts, "from")
        text = "" if facts.get("text") is None else _string(facts, "text")
        self._inbound.receive(self._line(facts), e164(sender) or sender, text, _parts(facts))

    def _send(self, facts: Mapping[str, Any]) -> None:
        to, text = _string(facts, "to"), _string(facts, "text")
        self._outbound.send_elsewhere(self._line(facts), to, text, _parts(facts))

    def _read(self, facts: Mapping[str, Any]) -> None:
        text = self._text(facts)
        text.read = self._world.clock.now()
        self._engine.emit("read", text)

    def _unread(self, facts: Mapping[str, Any]) -> None:
        text = self._text(facts)
        text.read = None
        self._engine.emit("read", text)

    def _delete(self, facts: Mapping[str, Any]) -> None:
        text = self._text(facts)
        text.deleted = self._world.clock.now()
        self._engine.emit("delete", text)

    def _revoke(self, facts: Mapping[str, Any]) -> None:
        self._lines.revoke(self._line(facts))

    def _change_password(self, facts: Mapping[str, Any]) -> None:
        self._lines.change_password(self._line(facts))

    def _line(self, facts: Mapping[str, Any]) -> LandlineLine:
        numbers = list(self._lines.numbers)
        only = numbers[0] if len(numbers) == 1 else None
        return self._lines.of_number(str(facts.get("line", only)))

    def _text(self, facts: Mapping[str, Any]) -> Text:
        wanted = str(facts.get("id"))
        text = self._texts.get(int(wanted)) if wanted.isdecimal() else None
        if text is None:
            raise ValueError("`id` is to be the id of one of the last texts")
        return text


def _parts(facts: Mapping[str, Any]) -> Sequence[FilePart]:
    parts = facts.get("parts") or []
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ValueError("`parts` is to be a list of objects")
    return [_part(part, place) for place, part in enumerate(parts, 1)]


def _part(part: Mapping[str, Any], place: int) -> FilePart:
    content_type = _string(part, "content_type")
    filename = part.get("filename") or f"part_{place}"
    try:
        data = b64decode(_string(part, "data"), validate=True)
    except binascii.Error as error:
        raise ValueError("`data` is to be in base64") from error
    return FilePart(f"part{place}", str(filename), content_type, data)


def _string(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    if not isinstance(value, str):
        raise ValueError(f"`{name}` is to be a string")  # noqa: TRY004 - one class for wrong facts
    return value
