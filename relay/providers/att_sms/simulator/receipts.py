"""Delivery status -> the listener that is registered for it: one POST a recipient, with one object (AT&T's kits).

"The other way is to register an endpoint URI with the API Gateway which will be notified of the final status of the
message" (SMS documentation, Get SMS Delivery Status). OneAPI's has the sender's callback data, and no message id.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from relay.providerkit.simulated import Callback, Callbacks, World
from relay.providers.att_sms.simulator.modes import SmsModes
from relay.providers.att_sms.simulator.outbox import NETWORK, Copy, Sent
from relay.providers.att_sms.simulator.sending import Receipt

_SOON = 1.3  # times the usual wait: what ends by then is a text with an ordinary fate


class Receipts:
    """Notifies of the status of texts."""

    def __init__(self, world: World, callbacks: Callbacks, modes: SmsModes) -> None:
        self._world = world
        self._callbacks = callbacks
        self._modes = modes

    async def follow(self, sent: Sent, url: str, receipt: Receipt | None) -> None:
        """Notify of each copy's end when it comes; in the mode `early`, those that come soon are notified now."""
        soon = self._world.now() + _SOON * (self._modes.network_seconds + self._modes.delivery_seconds)
        attempts: list[asyncio.Task[None]] = []
        for copy in sent.copies:
            if self._modes.early and copy.journey.end <= soon:
                attempts += self._tell(sent, copy, url, receipt, copy.journey.final)
            else:
                self._tell_in_time(sent, copy, url, receipt)
        if attempts:
            await asyncio.wait(attempts)

    def _tell_in_time(self, sent: Sent, copy: Copy, url: str, receipt: Receipt | None) -> None:
        journey = copy.journey
        if self._modes.notify_progress:
            self._world.agenda.at(journey.network, lambda: self._tell(sent, copy, url, receipt, NETWORK))
        self._world.agenda.at(journey.end, lambda: self._tell(sent, copy, url, receipt, journey.final))

    def _tell(
        self, sent: Sent, copy: Copy, url: str, receipt: Receipt | None, status: str
    ) -> Sequence[asyncio.Task[None]]:
        facts = {"to": copy.number, "message_id": sent.message_id, "ref": copy.ref, "status": status}
        about = {"service": "att-sms", "line": sent.line, "event": "delivery", **facts}
        attempt = self._callbacks.post(Callback(url, _payload(sent, copy, receipt, status), about))
        return [attempt] if attempt else []


def _payload(sent: Sent, copy: Copy, receipt: Receipt | None, status: str) -> dict[str, Any]:
    info = {"address": f"tel:{copy.number}", "deliveryStatus": status}
    key = {"messageId": sent.message_id} if receipt is None else {"callbackData": receipt.callback_data}
    return {"deliveryInfoNotification": {**key, "deliveryInfo": info}}
