"""relay -> Landline Texting: sends texts and keeps web hooks; the I/O of the line.

The session is a password that never expires. It always travels in a POST's body, so that it is in no URL and no log
(the documentation's `curl -G` samples put it into the query).
"""

from collections.abc import Sequence
from typing import Any

import structlog

from relay import __version__
from relay.domain.charset import has_lone_surrogate, segmentation
from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import CallAnswer, HookReading, Media, OutboundCall, Plan, RawAnswer
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.spec import InstalledHook, LineContext
from relay.providers.att_landline import callbacks, wire
from relay.providers.att_landline.settings import AttLandlineSettings

log = structlog.get_logger()

MOST_BYTES = 250  # Landline documentation, Message/Send: "a maximum of 250 bytes"


class AttLandlineLine:
    """One text-enabled number; Sends, TakesHooks and InstallsHooks."""

    provider = "att-landline"

    def __init__(self, context: LineContext) -> None:
        settings: AttLandlineSettings = context.settings
        self.alias = context.alias
        self.number: str = settings.number
        self.hook_events: tuple[str, ...] = settings.events
        self._settings = settings
        self._reported = not {"send", "progress"}.isdisjoint(settings.events)
        self._clock = context.clock
        self._session = settings.session.get_secret_value()
        self._http = Http(settings.base_url, timeout_seconds=settings.timeout, user_agent=f"relay/{__version__}")

    async def verify(self) -> str:
        """Whether the session is good, found by listing the web hooks."""
        return f"the session is good; {len(await self.list_hooks())} web hooks are installed"

    async def aclose(self) -> None:
        """Close connections."""
        await self._http.aclose()

    def plan(self, text: str | None, media: Sequence[Media], subject: str | None) -> Plan:
        """How the text will be sent; raises Refused for media, a subject, no text, and more than 250 bytes."""
        if media:
            raise _refused(ErrorCode.UNSUPPORTED_MEDIA, "this line sends texts only: media must be empty")
        if subject:
            raise _refused(ErrorCode.UNSUPPORTED, "Landline Texting knows no subject: subject must be empty")
        if not text or has_lone_surrogate(text):
            raise _refused(ErrorCode.INVALID_REQUEST, "text must be there, in whole characters")
        if (length := len(text.encode())) > MOST_BYTES:
            raise _refused(
                ErrorCode.TOO_LONG, f"text has {length} bytes in UTF-8; Landline Texting takes at most {MOST_BYTES}"
            )
        in_air = segmentation(text)
        return Plan(in_air.encoding.value, in_air.segments, self._settings.recipients_per_call)

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Make one call; each copy gets its own message id, under which the hooks will speak of it."""
        fields = wire.send_fields(call, self._settings.contacts_as)
        recipients = len(call.recipients)
        answer = await self._post("/message/send", fields)
        response = self._response(answer, recipients=recipients, text=call.text or "")
        handovers = wire.handovers(response, recipients, reported=self._reported)
        if untracked := sum(handover.ref is None for handover in handovers):
            log.warning("call.untracked", line=self.alias, call_id=call.call_id, copies=untracked)
        return CallAnswer(ref=None, handovers=handovers)

    def read_hook(self, event: str, raw: RawAnswer) -> HookReading:
        """The hook's meaning; raises Malformed."""
        return callbacks.read_hook(event, raw, own_number=self.number)

    async def list_hooks(self) -> Sequence[InstalledHook]:
        """Every web hook of the account, other people's included; raises Malformed where they cannot be read."""
        answer = await self._post("/webhook/list", [])
        return wire.installed_hooks(self._response(answer, effect=False), answer.body)

    async def install_hook(self, event: str, url: str) -> None:
        """Add a web hook."""
        await self._change("/webhook/add", ("type", "message"), ("event", event), ("url", url), ("method", "POST"))

    async def update_hook(self, provider_id: str, url: str) -> None:
        """Point a web hook at another address."""
        await self._change("/webhook/update", ("webhookId", provider_id), ("url", url), ("method", "POST"))

    async def remove_hook(self, provider_id: str) -> None:
        """Remove a web hook; one that is gone already is fine."""
        try:
            await self._change("/webhook/delete", ("webhookId", provider_id))
        except Refused:
            # How a hook that is gone is refused is not documented.
            if any(hook.provider_id == provider_id for hook in await self.list_hooks()):
                raise

    async def _change(self, path: str, *fields: tuple[str, str]) -> None:
        self._response(await self._post(path, fields))

    async def _post(self, path: str, fields: Sequence[tuple[str, str]]) -> HttpAnswer:
        return await self._http.call(
            "POST",
            path,
            headers={"Content-Type": wire.FORM_TYPE, "Accept": "application/json"},
            body=wire.form([("session", self._session), *fields]),
        )

    def _response(self, answer: HttpAnswer, *, effect: bool = True, recipients: int = 1, text: str = "") -> Any:
        hidden = (self._session, text)
        return wire.response_of(answer, now=self._clock.now(), effect=effect, recipients=recipients, hidden=hidden)


def _refused(code: ErrorCode, detail: str) -> Refused:
    return Refused(Problem(code, detail))
