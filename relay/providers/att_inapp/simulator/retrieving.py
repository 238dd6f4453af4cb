"""Reading a subscriber's store: list, message, part, changes; and the index that lists and changes need."""

from collections.abc import Sequence

from aiohttp import web

from relay.providerkit.simulated import REQUEST_NUMBER, ApiError, World, wrong
from relay.providers.att_inapp.simulator.asking import ListQuery, read_list
from relay.providers.att_inapp.simulator.index import Standing
from relay.providers.att_inapp.simulator.mail import StoredMail
from relay.providers.att_inapp.simulator.mailbox import Mailbox, MessageIds
from relay.providers.att_inapp.simulator.modes import InAppModes
from relay.providers.att_inapp.simulator.shapes import delta_body, index_body, list_body, message_body
from relay.providers.att_inapp.simulator.store import Change

_GRACE = 60.0  # seconds in which a call may be under way that was made before an answer was read


class Retrieving:
    """The operations that read, and those on the index. All take a request and whose mail it is for."""

    def __init__(self, world: World, modes: InAppModes, ids: MessageIds) -> None:
        self._world = world
        self._modes = modes
        self._ids = ids
        self._missing_since: dict[str, float] = {}

    async def list(self, request: web.Request, mailbox: Mailbox) -> web.Response:
        """GET /messages."""
        self._need_index(mailbox, "list")
        asked = read_list(request.query, lambda what: self._complain("list", what))
        found, failed = _found(mailbox, asked)
        here = found[asked.offset : asked.offset + asked.limit]
        page = {"offset": asked.offset, "limit": asked.limit, "total": len(found)}
        mailbox.record("listed", {**page, "count": len(here), "request": request[REQUEST_NUMBER]})
        state = mailbox.states.at(mailbox.store.revision)
        return web.json_response(list_body(here, page, state, failed, self._modes))

    async def get(self, request: web.Request, mailbox: Mailbox) -> web.Response:
        """GET /messages/{id}."""
        mail = self.mail(mailbox, request.match_info["id"], "get")
        facts = {"id": mail.id, "from": mail.new.sender, "text": mail.new.text, "incoming": mail.new.incoming}
        mailbox.record("handed-out", {**facts, "request": request[REQUEST_NUMBER]})
        return web.json_response(message_body(mail, self._modes))

    async def part(self, request: web.Request, mailbox: Mailbox) -> web.Response:
        """GET /messages/{id}/parts/{part}."""
        mail = self.mail(mailbox, request.match_info["id"], "part")
        place = request.match_info["part"]
        known = {str(number): part for number, part in enumerate(mail.new.parts)}
        if place not in known:
            raise self._gone(place)
        part = known[place]
        mailbox.record("part-handed-out", {"id": mail.id, "part": place, "request": request[REQUEST_NUMBER]})
        return web.Response(body=part.data, headers={"Content-Type": part.content_type})

    async def delta(self, request: web.Request, mailbox: Mailbox) -> web.Response:
        """GET /delta."""
        self._need_index(mailbox, "delta")
        state = request.query.get("state")
        if not state:
            self._complain("delta", "a delta without a state; right is the state of the last list or delta")
            raise wrong("state")
        changes, revision = self._changes(mailbox, state)
        facts = {what: sum(change.what == what for change in changes) for what in ("add", "update", "delete")}
        mailbox.record("delta", {**facts, "request": request[REQUEST_NUMBER]})
        return web.json_response(delta_body(changes, mailbox.states.at(revision), self._modes))

    def _changes(self, mailbox: Mailbox, state: str) -> tuple[Sequence[Change], int]:
        revision = mailbox.states.revision(state)
        if revision is None and mailbox.states.revision(state.replace(" ", "+")) is not None:
            self._complain("delta", "a state with a bare +; right is to percent-encode it")
        since = None if revision is None else mailbox.store.since(revision, self._modes.delta_limit)
        if since is None:
            status = 409 if self._modes.bad_state == "409" else 400
            raise ApiError(status, "SVC0002" if self._modes.bad_state == "SVC0002" else "SVC0001", "state")
        return since

    async def create_index(self, request: web.Request, mailbox: Mailbox) -> web.Response:
        """POST /messages/index."""
        if mailbox.index.standing() in (Standing.READY, Standing.BUILDING):
            self._complain("index", "an index was created where there is one; right is to check its status first")
        mailbox.index.create()
        mailbox.record("index-created", {"request": request[REQUEST_NUMBER]})
        wanted = self._modes.index_answer
        if wanted == "empty" or (wanted == "shape" and self._modes.shape == "served"):
            return web.Response(status=202)
        return web.json_response(self._index_body(mailbox, created=True))

    async def index_info(self, request: web.Request, mailbox: Mailbox) -> web.Response:
        """GET /messages/index/info."""
        mailbox.record("index-info", {"status": mailbox.index.standing(), "request": request[REQUEST_NUMBER]})
        return web.json_response(self._index_body(mailbox))

    def _index_body(self, mailbox: Mailbox, *, created: bool = False) -> dict[str, object]:
        standing = mailbox.index.standing()
        state = mailbox.states.at(mailbox.store.revision) if standing is Standing.READY else None
        return index_body(standing, state, len(mailbox.store), self._modes, created=created)

    def _need_index(self, mailbox: Mailbox, operation: str) -> None:
        """Raises ApiError where the index is not ready; who has been told so has to create it first."""
        standing = mailbox.index.standing()
        if standing is Standing.READY:
            mailbox.index.use()
            self._missing_since.pop(mailbox.number, None)
            return
        if standing is Standing.MISSING:
            told = self._missing_since.setdefault(mailbox.number, self._world.now())
            if told + _GRACE < self._world.now():
                self._complain(operation, "asked again without an index; right is to create it first")
        raise ApiError(409 if self._modes.not_ready == "409" else 400, "SVC0001", "message index is not ready")

    def mail(self, mailbox: Mailbox, message_id: str, operation: str) -> StoredMail:
        """The message of that id; raises ApiError where it is not there."""
        if self._ids.is_of_send(message_id):
            self._complain(operation, "the id of a send was taken for a message's; it is good for tracing only")
        found = mailbox.store.get(message_id)
        if found is None:
            raise self._gone(message_id)
        return found

    def _gone(self, what: str) -> ApiError:
        return ApiError(404 if self._modes.gone == "404" else 400, "SVC0001", f"message {what} not found")

    def _complain(self, operation: str, what: str) -> None:
        self._world.violations.record("att-inapp", operation, what)


def _found(mailbox: Mailbox, asked: ListQuery) -> tuple[Sequence[StoredMail], Sequence[str]]:
    """The messages that are meant, newest first, and the ids that there are no messages of."""
    store = mailbox.store
    if asked.message_ids is not None:
        found = [mail for one in asked.message_ids if (mail := store.get(one))]
        failed = [one for one in asked.message_ids if not store.get(one)]
        return sorted(found, key=lambda mail: mail.age, reverse=True), failed
    return [mail for mail in store.newest_first() if _is_meant(mail, asked)], ()


def _is_meant(mail: StoredMail, asked: ListQuery) -> bool:
    wanted = (
        (asked.unread, mail.unread),
        (asked.favorite, mail.favorite),
        (asked.incoming, mail.new.incoming),
        (asked.kind, mail.type),
    )
    if any(want is not None and want != has for want, has in wanted):
        return False
    return asked.keyword is None or any(asked.keyword in one for one in (mail.new.sender, *mail.new.recipients))
