"""A handset's text -> the inbox of its short code, or the listener of one that is online (SMS documentation).

The callback's body is flat and in PascalCase; MessageId is there, and empty. Sender and time have been seen in other
forms than the documented ones: the modes `sender_form` and `date_form`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from relay.providerkit.simulated import Callback, Callbacks, World
from relay.providerkit.simulated.numbers import ten_digits
from relay.providers.att_sms.simulator.accounts import Accounts
from relay.providers.att_sms.simulator.inbox import Inbox, Incoming
from relay.providers.att_sms.simulator.modes import SmsModes

_SENDERS: Mapping[str, Callable[[str], str]] = {
    "plain": lambda number: f"tel:{number}",
    "encoded": lambda number: f"tel%3A{number.replace('+', '%2B')}",
    "ten": lambda number: f"tel:+{ten_digits(number)}",
}
_DATES = {"sample": "%m-%d-%YT%H:%M:%S", "log": "%d/%b/%Y:%H:%M:%S:000 +0000", "iso": "%Y-%m-%dT%H:%M:%SZ"}


class Arrivals:
    """Where texts to the short codes go."""

    def __init__(self, world: World, accounts: Accounts, callbacks: Callbacks, modes: SmsModes) -> None:
        self._world = world
        self._accounts = accounts
        self._callbacks = callbacks
        self._modes = modes
        self._inboxes = {code: Inbox(world, code) for code in accounts.by_code}

    def inbox(self, short_code: str) -> Inbox:
        """The inbox of a short code."""
        return self._inboxes[short_code]

    def receive(self, short_code: str, sender: str, text: str) -> None:
        """A text comes in: for the listener, if the short code has one, and otherwise for the inbox; never both."""
        incoming = Incoming(self._world.ids.new(), sender, text, self._world.clock.now())
        self._world.ledger.record("received", incoming.facts(short_code))
        url = self._accounts.by_code[short_code].message_url
        if not url:
            self._inboxes[short_code].receive(incoming)
            return
        facts = {"service": "att-sms", "line": short_code, "event": "message", "id": incoming.id}
        known = incoming.facts(short_code)

        def taken() -> None:
            self._world.ledger.record("handed-out", {**known, "message_id": ""})

        def lost() -> None:
            self._world.ledger.record("purged", known)

        self._callbacks.post(Callback(url, self._payload(short_code, incoming), facts, taken, lost))

    def _payload(self, short_code: str, text: Incoming) -> dict[str, Any]:
        return {
            "DateTime": text.arrived.strftime(_DATES[self._modes.date_form]),
            "MessageId": "",
            "Message": text.text,
            "SenderAddress": _SENDERS[self._modes.sender_form](text.sender),
            "DestinationAddress": short_code,
        }
