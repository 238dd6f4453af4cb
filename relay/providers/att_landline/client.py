"""relay -> Landline Texting: sends texts and MMS, fetches attachments, keeps web hooks; the I/O of the line.

The session is a password that never expires. It travels in a POST's body, so that it is in no address (the
documentation's `curl -G` samples put it into the query); `messaging/send` wants it in the query, which no log shows.
"""

from collections.abc import Sequence
from typing import Any

import structlog

from relay import __version__
from relay.domain.addresses import AddressKind
from relay.domain.errors import ErrorCode, Gone, Malformed, NotAuthorized, OutcomeUnknown, Problem, Refused, TryLater
from relay.domain.messages import CallAnswer, Content, HookReading, OutboundCall, Part, Plan, RawAnswer
from relay.providerkit.http import Http
from relay.providerkit.operations import Operation
from relay.providerkit.spec import InstalledHook, LineContext
from relay.providers.att_landline import callbacks, operations, planning, wire
from relay.providers.att_landline.attachments import read_parts
from relay.providers.att_landline.calls import Calls
from relay.providers.att_landline.session import session_of
from relay.providers.att_landline.settings import AttLandlineSettings

log = structlog.get_logger()

_MOST_CONTENT = 16 << 20  # bytes of an attachment; a carrier's MMS has a tenth of that


class AttLandlineLine:
    """One text-enabled number; Sends, TakesHooks, ShowsSentInHooks, InstallsHooks and FetchesParts."""

    provider = "att-landline"
    takes = frozenset({AddressKind.E164})

    def __init__(self, context: LineContext) -> None:
        settings: AttLandlineSettings = context.settings
        self.alias = context.alias
        self.number: str = settings.number
        self.hook_events: tuple[str, ...] = settings.events
        self.shows_sent_in_hooks = "send" in settings.events
        self._settings = settings
        self._reported = not {"send", "progress"}.isdisjoint(settings.events)
        self._clock = context.clock
        self._http = Http(
            settings.base_url,
            timeout_seconds=settings.timeout,
            user_agent=f"relay/{__version__}",
            watch=context.watch,
        )
        self._calls = Calls(self._http, session_of(context, self._http), context.clock)

    async def verify(self) -> str:
        """Whether the session is good, found by listing the web hooks."""
        return f"the session is good; {len(await self.list_hooks())} web hooks are installed"

    async def aclose(self) -> None:
        """Close connections."""
        await self._http.aclose()

    def plan(self, content: Content) -> Plan:
        """How the content will be sent; raises Refused, naming the limit."""
        return planning.planned(
            content,
            recipients_per_call=self._settings.recipients_per_call,
            mms=self._settings.mms,
            provider_schedules=self._settings.scheduling == "provider",
        )

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Make one call; each copy gets its own message id, under which the hooks will speak of it."""
        mms = planning.as_mms(call.text, call.media)
        response = await (self._send_text(call) if mms is None else self._send_mms(call, mms))
        handovers = wire.handovers(response, len(call.recipients), reported=self._reported)
        if untracked := sum(handover.ref is None for handover in handovers):
            log.warning("call.untracked", line=self.alias, call_id=call.call_id, copies=untracked)
        return CallAnswer(ref=None, handovers=handovers)

    async def _send_text(self, call: OutboundCall) -> Any:
        shift, now = self._settings.scheduled_date_shift, self._clock.now()
        fields = wire.send_fields(call, self._settings.contacts_as, now=now, shift=shift)
        return await self._calls.change(_send_operation(fields), fields, sending=call)

    async def _send_mms(self, call: OutboundCall, mms: planning.Mms) -> Any:
        query = wire.mms_fields(call, mms.body)
        return await self._calls.upload(operations.SEND_MMS, query, mms.files, sending=call)

    def read_hook(self, event: str, raw: RawAnswer) -> HookReading:
        """The hook's meaning; raises Malformed."""
        return callbacks.read_hook(event, raw, own_number=self.number)

    async def list_parts(self, ref: str) -> Sequence[Part]:
        """The attachments of a message, without the MMS layout; raises TryLater while they are not stored yet, Gone."""
        try:
            return read_parts(await self._calls.fetch(operations.LIST_ATTACHMENTS, [("messageId", ref)]))
        except (Malformed, OutcomeUnknown) as error:
            raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, error.problem.detail)) from None
        except Gone:
            raise
        except Refused as error:
            # Which code says that a message is unknown is not documented.
            raise Gone(error.problem) from None

    async def fetch_part(self, message_ref: str, part: Part) -> bytes:
        """An attachment's bytes; raises TryLater, Refused, Gone."""
        try:
            content = await self._calls.fetch(
                operations.GET_CONTENT, [("storageKey", part.ref or "")], most=_MOST_CONTENT
            )
        except NotAuthorized as error:
            # Whoever stores contents forbids those that are no more: where the session is good for the message, what
            # is forbidden is this attachment, and neither its message nor the line has to wait for a person.
            await self._calls.fetch(operations.LIST_ATTACHMENTS, [("messageId", message_ref)])
            detail = "the provider forbids this attachment"
            raise Refused(Problem(ErrorCode.PROVIDER_REFUSED, detail, error.problem.provider)) from None
        if not content and part.size:
            raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, "the provider has not stored the attachment yet"))
        return content

    async def list_hooks(self) -> Sequence[InstalledHook]:
        """Every web hook of the account, other people's included; raises Malformed where they cannot be read."""
        return await self._calls.read(operations.LIST_HOOKS, [], wire.installed_hooks)

    async def install_hook(self, event: str, url: str) -> None:
        """Add a web hook."""
        fields = [("type", "message"), ("event", event), ("url", url), ("method", "POST")]
        await self._calls.change(operations.ADD_HOOK, fields)

    async def update_hook(self, provider_id: str, url: str) -> None:
        """Point a web hook at another address."""
        fields = [("webhookId", provider_id), ("url", url), ("method", "POST")]
        await self._calls.change(operations.UPDATE_HOOK, fields)

    async def remove_hook(self, provider_id: str) -> None:
        """Remove a web hook; one that is gone already is fine."""
        try:
            await self._calls.change(operations.DELETE_HOOK, [("webhookId", provider_id)])
        except Refused:
            # How a hook that is gone is refused is not documented.
            if any(hook.provider_id == provider_id for hook in await self.list_hooks()):
                raise


def _send_operation(fields: Sequence[tuple[str, str]]) -> Operation:
    """The scenario of the documentation that the fields are."""
    names = [name for name, _ in fields]
    if "scheduledDate" in names:
        return operations.SEND_SCHEDULED
    return operations.SEND_TO_MANY if names.count("contacts") > 1 else operations.SEND_TO_ONE
