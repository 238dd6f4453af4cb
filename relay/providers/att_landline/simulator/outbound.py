"""A text is taken, becomes one message for each recipient, and its events are put on the agenda."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import partial
from hashlib import sha256
from typing import Any

from relay.providerkit.simulated import Fate, World
from relay.providers.att_landline.formdata import FilePart
from relay.providers.att_landline.simulator.attachments import Attachments
from relay.providers.att_landline.simulator.engine import Engine
from relay.providers.att_landline.simulator.failures import (
    INTERNAL,
    NO_CARRIER,
    SPAM,
    STOPPED,
    UNKNOWN,
    LandlineError,
)
from relay.providers.att_landline.simulator.lines import LandlineLine
from relay.providers.att_landline.simulator.modes import LandlineModes
from relay.providers.att_landline.simulator.progress import Step, steps
from relay.providers.att_landline.simulator.sending import Asked
from relay.providers.att_landline.simulator.texts import (
    FROM_API,
    FROM_WEB_APP,
    Text,
    Texts,
    contact_id,
    device_id,
    fingerprint,
)

_QUEUED = 2
_REACHES = frozenset((0, 4, 6))


class Outbound:
    """Sends texts from lines."""

    def __init__(
        self, world: World, texts: Texts, attachments: Attachments, engine: Engine, modes: LandlineModes
    ) -> None:
        self._world = world
        self._texts = texts
        self._attachments = attachments
        self._engine = engine
        self._modes = modes

    async def send(self, line: LandlineLine, asked: Asked, request: int) -> dict[str, Any]:
        """The answer to a good message/send; raises LandlineError where the recipients, or the line, forbid it."""
        root = self._texts.new_id()
        texts = await self._sent(line, asked, {"root": str(root), "request": request})
        tokens = [self._token(text) for text in texts]
        conversation = fingerprint(line.number, *asked.numbers)
        return {"fingerprint": conversation, "root": str(root), "tokens": tokens}

    async def send_mms(self, line: LandlineLine, asked: Asked, request: int) -> dict[str, Any]:
        """The answer to a good messaging/send; raises as `send` does."""
        (text,) = await self._sent(line, asked, {"request": request, "mms": True, "files": shown(asked.files)})
        return {"id": text.id, "status": "queued"}

    async def _sent(self, line: LandlineLine, asked: Asked, facts: Mapping[str, Any]) -> Sequence[Text]:
        self._refuse(line, asked.numbers)
        texts = [self._take(line, number, asked) for number in asked.numbers]
        for text in texts:
            self._record(text, facts)
        await self._begin(line, texts)
        if self._mumbles(line, asked.numbers):
            raise LandlineError(UNKNOWN)
        return texts

    def _refuse(self, line: LandlineLine, numbers: Sequence[str]) -> None:
        if self._modes.stop == "sync" and line.stopped.intersection(numbers):
            raise LandlineError(STOPPED)
        code = self._trouble(line, numbers) if self._modes.failures == "sync" else None
        if code:
            raise LandlineError(code)

    def _trouble(self, line: LandlineLine, numbers: Sequence[str]) -> int | None:
        if self._modes.spam:
            return SPAM
        if Fate.NO_CARRIER in {self._world.handset.fate(number) for number in numbers}:
            return NO_CARRIER
        return INTERNAL if self._first_time(line, numbers, Fate.REFUSED_ONCE) else None

    def _mumbles(self, line: LandlineLine, numbers: Sequence[str]) -> bool:
        return self._first_time(line, numbers, Fate.MUMBLED_ONCE)

    def _first_time(self, line: LandlineLine, numbers: Sequence[str], fate: Fate) -> bool:
        new = {number for number in numbers if self._world.handset.fate(number) is fate} - line.refused_once
        line.refused_once |= new
        return bool(new)

    def _take(self, line: LandlineLine, number: str, asked: Asked) -> Text:
        text = self._texts.new(line.number, number, asked.body, FROM_API, _QUEUED)
        text.scheduled = asked.scheduled
        text.has_attachment = bool(asked.files)
        self._attachments.store(text.id, line.number, asked.files, 0)
        return text

    def _record(self, text: Text, more: Mapping[str, Any]) -> None:
        facts = {"service": "att-landline", "line": text.line, "to": text.other, "message_id": str(text.id)}
        facts |= {"ref": str(text.id), "text": text.body, **more}
        if text.scheduled:
            facts["scheduled"] = text.scheduled.astimezone(UTC).isoformat()
        self._world.ledger.record("accepted", facts)

    def _token(self, text: Text) -> Mapping[str, Any]:
        return {
            "message": text.id if self._modes.send_ids == "int" else str(text.id),
            "fingerprint": fingerprint(text.line, text.other),
            "device": device_id(text.line),
            "contact": contact_id(text.other),
        }

    async def _begin(self, line: LandlineLine, texts: Sequence[Text]) -> None:
        first: list[asyncio.Task[None]] = []
        for text in texts:
            first += self._put_on_agenda(line, text)
        if first:
            await asyncio.wait(first)

    def _put_on_agenda(self, line: LandlineLine, text: Text) -> Sequence[asyncio.Task[None]]:
        """Let the text's events come at their times; with `early_progress` the first comes now, and is waited for."""
        now = self._world.now()
        start = max(now, text.scheduled.timestamp()) if text.scheduled else now
        plan = self._plan(line, text)
        first: Sequence[asyncio.Task[None]] = ()
        if self._modes.early_progress and start <= now:
            first = [*self._happen(text, plan[0]), *self._happen(text, plan[1])]
            plan = plan[2:]
        for step in plan:
            self._world.agenda.at(start + step.after, partial(self._happen, text, step))
        return first

    def _plan(self, line: LandlineLine, text: Text) -> Sequence[Step]:
        code = STOPPED if text.other in line.stopped else None
        if not code and self._modes.failures == "async":
            code = self._trouble(line, [text.other])
        if code:
            return [Step(0, "send", 1), Step(self._modes.progress_seconds, "progress", code)]
        return steps(self._world.handset.fate(text.other), self._modes, self._world.ids.chance)

    def _happen(self, text: Text, step: Step) -> Sequence[asyncio.Task[None]]:
        if step.event == "progress" and step.status_code in _REACHES and not text.has_arrived:
            text.has_arrived = True
            self._world.handset.delivered(text.other, text.line, self._world.now())
        text.status_code = step.status_code
        return self._engine.emit(step.event, text)

    def send_elsewhere(self, line: LandlineLine, number: str, body: str, files: Sequence[FilePart] = ()) -> None:
        """A text that a person sent with AT&T's web app: its events come, and relay never heard of it."""
        text = self._texts.new(line.number, number, body, FROM_WEB_APP, _QUEUED)
        text.has_attachment = bool(files)
        self._attachments.store(text.id, line.number, files, 0)
        facts = {"service": "att-landline", "line": line.number, "to": number, "message_id": str(text.id), "text": body}
        self._world.ledger.record("sent-elsewhere", {**facts, "files": shown(files)})
        self._put_on_agenda(line, text)


def shown(files: Sequence[FilePart]) -> Sequence[Mapping[str, Any]]:
    """Files as the ledger has them."""
    return [
        {
            "name": file.name,
            "filename": file.filename,
            "content_type": file.content_type,
            "bytes": len(file.data),
            "sha256": sha256(file.data).hexdigest(),
        }
        for file in files
    ]
