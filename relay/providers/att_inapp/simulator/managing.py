"""Changing a subscriber's store: messages are marked as read or not, and deleted, one by one or many at once."""

import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from relay.providerkit.simulated import World, wrong
from relay.providers.att_inapp.simulator.asking import body_of, split_ids
from relay.providers.att_inapp.simulator.mail import StoredMail
from relay.providers.att_inapp.simulator.mailbox import Mailbox
from relay.providers.att_inapp.simulator.modes import InAppModes
from relay.providers.att_inapp.simulator.retrieving import Retrieving

_FLAGS = frozenset(("isUnread", "isFavorite"))


class Managing:
    """The operations that change messages. All take a request and whose mail it is for."""

    def __init__(self, world: World, modes: InAppModes, retrieving: Retrieving) -> None:
        self._world = world
        self._modes = modes
        self._retrieving = retrieving

    async def update(self, request: web.Request, mailbox: Mailbox) -> web.Response:
        """PUT /messages/{id}: 200 with its id (OpenAPI), or 204 (kits)."""
        message_id = request.match_info["id"]
        inner = (await _json_object(request)).get("message")
        if not isinstance(inner, dict):
            raise wrong("message")
        mail = self._retrieving.mail(mailbox, message_id, "update")
        self._check("update", inner, {"isUnread", "messageId"})
        self._mark(mailbox, mail, inner)
        return self._answer({"id": message_id})

    async def update_many(self, request: web.Request, mailbox: Mailbox) -> web.Response:
        """PUT /messages: 204; messages that are not there are passed over, unless none is."""
        entries = (await _json_object(request)).get("messages")
        if not isinstance(entries, list) or not entries or not all(isinstance(one, dict) for one in entries):
            raise wrong("messages")
        if not all(isinstance(one.get("messageId"), str) for one in entries):
            raise wrong("messageId")
        wanted = {one["messageId"]: one for one in entries}
        for one in entries:
            self._check("update-many", one, {"messageId", *_FLAGS})
        for mail in self._known(mailbox, list(wanted), "update-many"):
            self._mark(mailbox, mail, wanted[mail.id])
        return web.Response(status=204)

    async def delete(self, request: web.Request, mailbox: Mailbox) -> web.Response:
        """DELETE /messages/{id}: 204."""
        mailbox.delete(self._retrieving.mail(mailbox, request.match_info["id"], "delete"), "api")
        return web.Response(status=204)

    async def delete_many(self, request: web.Request, mailbox: Mailbox) -> web.Response:
        """DELETE /messages?messageIds=…: 204; messages that are not there are passed over, unless none is."""
        wanted = split_ids(request.query.get("messageIds", ""))
        if not wanted:
            raise wrong("messageIds")
        for mail in self._known(mailbox, wanted, "delete-many"):
            mailbox.delete(mail, "api")
        return web.Response(status=204)

    def _known(self, mailbox: Mailbox, wanted: Sequence[str], operation: str) -> Sequence[StoredMail]:
        known = [mail for one in wanted if (mail := mailbox.store.get(one))]
        return known or [self._retrieving.mail(mailbox, wanted[0], operation)]

    def _check(self, operation: str, inner: dict[str, Any], allowed: set[str]) -> None:
        """Raises ApiError for flags that are none."""
        if inner.keys() - allowed:
            self._world.violations.record("att-inapp", operation, "a field that cannot be changed; right is isUnread")
        flags = [inner[name] for name in _FLAGS & inner.keys()]
        if not flags or not all(isinstance(flag, bool) for flag in flags):
            raise wrong("isUnread")

    def _mark(self, mailbox: Mailbox, mail: StoredMail, inner: dict[str, Any]) -> None:
        mailbox.update(mail, "api", unread=inner.get("isUnread"), favorite=inner.get("isFavorite"))

    def _answer(self, body: dict[str, str]) -> web.Response:
        return web.Response(status=204) if self._modes.shape == "served" else web.json_response(body)


async def _json_object(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await body_of(request))
    except (ValueError, RecursionError) as error:
        raise wrong("body") from error
    if not isinstance(body, dict):
        raise wrong("body")
    return body
