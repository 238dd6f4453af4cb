"""What happens to a line without any request: AT&T's web app is used, sessions are revoked."""

from collections.abc import Mapping
from typing import Any

from relay.providerkit.simulated import World
from relay.providers.att_landline.simulator.engine import Engine
from relay.providers.att_landline.simulator.lines import Lines
from relay.providers.att_landline.simulator.outbound import Outbound
from relay.providers.att_landline.simulator.texts import Text, Texts


class Actions:
    """The actions of Landline Texting, by name; all raise ValueError where their facts are wrong.

    `revoke-sessions` {line}, `web-app-send` {line, to, text}, `read` {id}, `delete` {id}.
    """

    def __init__(self, world: World, lines: Lines, texts: Texts, engine: Engine, outbound: Outbound) -> None:
        self._world = world
        self._lines = lines
        self._texts = texts
        self._engine = engine
        self._outbound = outbound
        self._actions = {
            "revoke-sessions": self._revoke,
            "web-app-send": self._send,
            "read": self._read,
            "delete": self._delete,
        }

    def do(self, action: str, facts: Mapping[str, Any]) -> None:
        """Do it."""
        if action not in self._actions:
            raise ValueError(f"`do` is to be one of {', '.join(self._actions)}")
        self._actions[action](facts)

    def _revoke(self, facts: Mapping[str, Any]) -> None:
        self._lines.revoke(self._lines.of_number(str(facts.get("line"))))

    def _send(self, facts: Mapping[str, Any]) -> None:
        line = self._lines.of_number(str(facts.get("line")))
        to, text = facts.get("to"), facts.get("text")
        if not isinstance(to, str) or not isinstance(text, str):
            raise ValueError("`to` and `text` are to be strings")  # noqa: TRY004 - one class for wrong facts
        self._outbound.send_elsewhere(line, to, text)

    def _read(self, facts: Mapping[str, Any]) -> None:
        text = self._text(facts)
        text.read = self._world.clock.now()
        self._engine.emit("read", text)

    def _delete(self, facts: Mapping[str, Any]) -> None:
        text = self._text(facts)
        text.deleted = self._world.clock.now()
        self._engine.emit("delete", text)

    def _text(self, facts: Mapping[str, Any]) -> Text:
        wanted = str(facts.get("id"))
        text = self._texts.get(int(wanted)) if wanted.isdecimal() else None
        if text is None:
            raise ValueError("`id` is to be the id of one of the last texts")
        return text
