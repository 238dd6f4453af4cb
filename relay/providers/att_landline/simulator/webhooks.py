"""The web hooks of each line: /webhook/add, list, update, delete (Landline document, Install Web Hooks and after)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yarl import URL

from relay.providers.att_landline.simulator.failures import BAD_ARGUMENTS, LandlineError

EVENTS = ("receive", "send", "progress", "read", "delete")
_METHODS = ("POST", "PUT", "GET")
_FIRST_ID = 687_557_714
_MOST = 1000  # on one line


@dataclass(slots=True)
class WebHook:
    """One web hook as it is installed."""

    id: int
    line: str
    event: str
    url: str
    method: str

    def shown(self) -> dict[str, Any]:
        """As the answers show it."""
        return {
            "webhookId": self.id,
            "type": "message",
            "event": self.event,
            "url": self.url,
            "method": self.method,
        }


class WebHooks:
    """All web hooks. Every method that takes `fields` raises LandlineError (-703) where they are wrong."""

    def __init__(self) -> None:
        self._hooks: dict[int, WebHook] = {}
        self._next_id = _FIRST_ID

    def add(self, line: str, fields: Mapping[str, str]) -> Sequence[dict[str, Any]]:
        """Install one, even if there is the same already: then there are two, and each event comes twice."""
        event, url, method = fields.get("event", ""), fields.get("url", ""), fields.get("method", "POST").upper()
        good = fields.get("type") == "message" and event in EVENTS and method in _METHODS
        if not good or not _is_address(url) or len(self._of(line)) >= _MOST:
            raise LandlineError(BAD_ARGUMENTS)
        hook = WebHook(self._next_id, line, event, url, method)
        self._hooks[hook.id] = hook
        self._next_id += 1
        return [hook.shown()]

    def list(self, line: str, _fields: Mapping[str, str]) -> Sequence[dict[str, Any]]:
        """Those of `line`."""
        return [hook.shown() for hook in self._of(line)]

    def update(self, line: str, fields: Mapping[str, str]) -> Sequence[dict[str, Any]]:
        """Change the address or the method of one."""
        hook = self._one(line, fields)
        url, method = fields.get("url", hook.url), fields.get("method", hook.method).upper()
        if method not in _METHODS or not _is_address(url):
            raise LandlineError(BAD_ARGUMENTS)
        hook.url, hook.method = url, method
        return [hook.shown()]

    def delete(self, line: str, fields: Mapping[str, str]) -> Sequence[dict[str, Any]]:
        """Remove one; the answer is an empty list."""
        del self._hooks[self._one(line, fields).id]
        return []

    def _one(self, line: str, fields: Mapping[str, str]) -> WebHook:
        wanted = fields.get("webhookId", "")
        hook = self._hooks.get(int(wanted)) if wanted.isdecimal() and wanted.isascii() else None
        if hook is None or hook.line != line:
            raise LandlineError(BAD_ARGUMENTS)
        return hook

    def _of(self, line: str) -> Sequence[WebHook]:
        return [hook for hook in self._hooks.values() if hook.line == line]

    def listening(self, line: str, event: str) -> Sequence[WebHook]:
        """Those that want an event of a line."""
        return [hook for hook in self._of(line) if hook.event == event]


def _is_address(url: str) -> bool:
    try:
        parsed = URL(url)
    except ValueError:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.host)
