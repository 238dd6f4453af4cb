"""A message that a subscriber sends, by the API or on the phone: it shows up in the store, and reaches handsets."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from relay.providerkit.simulated import Fate, World
from relay.providers.att_inapp.simulator.addresses import is_number
from relay.providers.att_inapp.simulator.mail import MailPart, NewMail, StoredMail, mms_parts
from relay.providers.att_inapp.simulator.mailbox import Mailbox, MessageIds
from relay.providers.att_inapp.simulator.modes import InAppModes
from relay.providers.att_inapp.simulator.sending import Asked

_LATE = 3600.0


class Outgoing:
    """Sends messages from subscribers' numbers."""

    def __init__(self, world: World, modes: InAppModes, ids: MessageIds) -> None:
        self._world = world
        self._modes = modes
        self._ids = ids

    def send(self, mailbox: Mailbox, asked: Asked, request: int) -> str:
        """Take a send; gives the id for tracing it, which is no message's. It shows up in the store a little later."""
        send_id = self._ids.of_send()
        for address in asked.to:
            mailbox.record("accepted", {"to": address, **_facts(asked), "message_id": send_id, "request": request})
        self._world.agenda.after(
            self._modes.appear_seconds, partial(self._appear, mailbox, self._mail(mailbox, asked), send_id)
        )
        self._deliver(mailbox, asked)
        return send_id

    def send_from_phone(self, mailbox: Mailbox, asked: Asked) -> None:
        """A message that the subscriber's phone sent: relay never heard of it."""
        for mail in self._appear(mailbox, self._mail(mailbox, asked), None):
            mailbox.record("sent-elsewhere", {"to": list(mail.new.recipients), **_facts(asked), "message_id": mail.id})
        self._deliver(mailbox, asked)

    def _mail(self, mailbox: Mailbox, asked: Asked) -> Sequence[NewMail]:
        """What is to show up in the store: one message, or one for each recipient."""
        apart = self._modes.sends_appear == "apart" and not asked.group
        return [self._new(mailbox, asked, to) for to in ([[one] for one in asked.to] if apart else [asked.to])]

    def _new(self, mailbox: Mailbox, asked: Asked, to: Sequence[str]) -> NewMail:
        parts = mms_parts(asked.text, asked.files, smil=self._modes.smil) if asked.is_mms else ()
        now = self._world.clock.now()
        return NewMail(mailbox.number, to, now, asked.text, asked.subject, parts, incoming=False, is_mms=asked.is_mms)

    def _appear(self, mailbox: Mailbox, mail: Sequence[NewMail], send_id: str | None) -> Sequence[StoredMail]:
        return [mailbox.put(new, send_id) for new in mail]

    def _deliver(self, mailbox: Mailbox, asked: Asked) -> None:
        for address in filter(is_number, asked.to):
            late = self._world.handset.fate(address) is Fate.LATE
            seconds = _LATE if late else self._world.ids.jitter(self._modes.delivery_seconds)
            self._world.handset.delivered(address, mailbox.number, self._world.now() + seconds)


def _facts(asked: Asked) -> Mapping[str, Any]:
    return {
        "text": asked.text,
        "subject": asked.subject,
        "group": asked.group,
        "sent_as": "mms" if asked.is_mms else "sms",
        "parts": part_facts(asked.files),
    }


def part_facts(parts: Sequence[MailPart]) -> Sequence[Mapping[str, Any]]:
    """How the ledger shows attachments."""
    return [{"content_type": part.content_type, "filename": part.name, "bytes": len(part.data)} for part in parts]
