"""A message that somebody sends to a subscriber: a text, which may come in several pieces, or an MMS."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from relay.providerkit.simulated import World
from relay.providers.att_inapp.simulator.mail import MailPart, MailSegment, NewMail, mms_parts
from relay.providers.att_inapp.simulator.mailbox import Mailbox
from relay.providers.att_inapp.simulator.modes import InAppModes
from relay.providers.att_inapp.simulator.outgoing import part_facts

_ONE_SMS, _ONE_OF_SEVERAL = 160, 153
_ONE_SMS_UCS2, _ONE_OF_SEVERAL_UCS2 = 70, 67
_REFERENCES = 256


@dataclass(frozen=True, slots=True)
class Written:
    """What somebody wrote. `lost`: the places (from 1) of the pieces that never arrive."""

    sender: str
    text: str | None
    subject: str | None = None
    files: Sequence[MailPart] = ()
    others: Sequence[str] = ()
    """Who else received it."""
    at: datetime | None = None
    """When it was sent, where that is not now."""
    lost: Sequence[int] = ()

    @property
    def is_mms(self) -> bool:
        """Whether it is more than a text to one number."""
        return bool(self.files or self.subject or self.others)


class Incoming:
    """Brings messages into subscribers' stores."""

    def __init__(self, world: World, modes: InAppModes) -> None:
        self._world = world
        self._modes = modes

    def receive(self, mailbox: Mailbox, written: Written) -> None:
        """A message comes in, at once or, where there are seconds between its pieces, as they come."""
        pieces = self._pieces(mailbox, written)
        facts = {"from": written.sender, "text": written.text, "subject": written.subject, "pieces": len(pieces)}
        ids = [self._bring(mailbox, piece, place) for place, piece in enumerate(pieces)]
        mailbox.record("received", {**facts, "id": ids[0] if ids else None, "parts": part_facts(written.files)})

    def _bring(self, mailbox: Mailbox, piece: NewMail, place: int) -> str | None:
        """Put a piece into the store; gives its id if that is now."""
        seconds = self._modes.segment_seconds * place
        if not seconds:
            return mailbox.put(piece).id
        self._world.agenda.after(seconds, partial(mailbox.put, piece))
        return None

    def _pieces(self, mailbox: Mailbox, written: Written) -> Sequence[NewMail]:
        sender, to = written.sender, [mailbox.number, *written.others]
        now = written.at or self._world.clock.now()
        if written.is_mms:
            parts = mms_parts(written.text, written.files, smil=self._modes.smil)
            return [NewMail(sender, to, now, written.text, written.subject, parts, incoming=True, is_mms=True)]
        texts = _divided(written.text or "") if self._modes.segments else [written.text or ""]
        if len(texts) == 1:
            return [NewMail(sender, to, now, texts[0], incoming=True)]
        ref = self._world.ids.chance.randrange(_REFERENCES)
        segments = [MailSegment(ref, place, len(texts)) for place in range(1, len(texts) + 1)]
        pieces = [
            NewMail(sender, to, now, text, incoming=True, segment=segment)
            for text, segment in zip(texts, segments, strict=True)
            if segment.place not in written.lost
        ]
        return pieces if self._modes.segment_order == "in-order" else pieces[::-1]


def _divided(text: str) -> Sequence[str]:
    """A text as the SMS that carry it; Latin-1 stands for GSM's alphabet here."""
    narrow = all(ord(character) < 256 for character in text)  # noqa: PLR2004 - Latin-1's size
    whole, piece = (_ONE_SMS, _ONE_OF_SEVERAL) if narrow else (_ONE_SMS_UCS2, _ONE_OF_SEVERAL_UCS2)
    if len(text) <= whole:
        return [text]
    return [text[begin : begin + piece] for begin in range(0, len(text), piece)]
