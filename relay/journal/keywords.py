"""A message that came in -> what its keyword does: opt out, opt in, and the operator's answer, in one transaction."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, insert, select, update

from relay.domain.addresses import AddressKind, inbound
from relay.domain.keywords import Keyword, keyword
from relay.domain.messages import InboundMessage, MessageClass, OnUncertain, Priority, SendRequest
from relay.journal.announce import News, announce
from relay.journal.columns import Moment
from relay.journal.optoutrows import Word, opt_in, opt_out, opted_out, stops_since
from relay.journal.queueing import bind_key, store_request
from relay.journal.schema import seen
from relay.journal.seen import hash_of
from relay.journal.terms import judged_at_acceptance
from relay.journal.transaction import Transaction
from relay.rules.line import KeywordReply

REPLY_LIVES = timedelta(hours=1)
HELPED_EVERY = timedelta(hours=1)
# What a mailbox shows of the past is heeded, but an answer to it would surprise.
ANSWERED_WITHIN = timedelta(days=1)
# A machine that stops and starts as it is told to would be answered for ever.
STOPS_ANSWERED, STOPS_COUNTED_FOR = 5, timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that came in: on which line, when it was heard of, and the id it is shown under.

    `message_id`: None for one that is not announced yet. `suspect`: it may be a repetition.
    """

    line: str
    message: InboundMessage = field(repr=False)
    message_id: str | None
    received_at: datetime
    suspect: bool = False

    @property
    def said_at(self) -> datetime:
        """When it was said; no later than it was heard of, whatever the provider's clock says."""
        return min(self.message.provider_time or self.received_at, self.received_at)


def heed(tx: Transaction, heard: Heard, *, asked: Keyword | None, suspected: bool) -> None:
    """Do what the message's keyword asks for; tell of one that may have been meant as a keyword.

    Args:
        tx: the transaction.
        heard: the message.
        asked: its keyword.
        suspected: it has none, and may have been meant as one.
    """
    unreadable = heard.message.sender.kind is AddressKind.OTHER  # nothing can be sent there, as far as relay knows
    if suspected or (asked == "stop" and unreadable):
        subject = heard.message_id or heard.line
        body = {"message_id": heard.message_id, "address": heard.message.sender.value}
        announce(tx, News("event.opt-out-suspected", heard.line, subject, body, occurred_at=heard.said_at))
    elif asked is not None and not unreadable and _changes(tx, heard, asked):
        _answer(tx, heard, asked)


def heed_early(tx: Transaction, line: str, message: InboundMessage, received_at: datetime) -> None:
    """Do what a STOP asks for whose message is announced only when its attachments are there: nothing else waits."""
    heard = Heard(line, message, None, received_at)
    readable = message.sender.kind is not AddressKind.OTHER
    if readable and keyword(words_of(message)) == "stop" and _changes(tx, heard, "stop"):
        _answer(tx, heard, "stop")


def words_of(message: InboundMessage) -> str:
    """What a message says: its text, or its subject where it has none."""
    text = message.text or ""
    return text if text.strip() else message.subject or ""


def _changes(tx: Transaction, heard: Heard, asked: Keyword) -> bool:
    """Whether the keyword changed something, or asks for help after a while."""
    if asked == "help":
        return _helps(tx, heard)
    if asked == "start" and heard.suspect and heard.message.provider_time is None:
        return False  # nobody knows when it was said: it may be older than a STOP
    word = "".join(char for char in words_of(heard.message) if char.isalnum()).casefold() or asked
    said = Word(heard.message.sender.value, heard.line, heard.said_at, "keyword", word, heard.message_id)
    return opt_out(tx, said) if asked == "stop" else opt_in(tx, said)


def _helps(tx: Transaction, heard: Heard) -> bool:
    if "help" not in tx.rules.of(heard.line).replies:
        return False
    here = {"here": heard.line, "hashed": hash_of("helped", tx.peer(heard.message.sender.value))}
    last = tx.execute(_HELPED, here).scalar()
    if last is not None and tx.now - last < HELPED_EVERY:
        return False
    if last is None:
        tx.execute(insert(seen), [{"line": heard.line, "key": here["hashed"], "at": tx.now}])
    else:
        tx.execute(_HELP, {**here, "now": tx.now})
    return True


def _answer(tx: Transaction, heard: Heard, asked: Keyword) -> None:
    """Send the operator's answer; there is none to short codes, to the line itself, to what was said long ago."""
    reply, sender = tx.rules.of(heard.line).replies.get(asked), heard.message.sender
    itself = sender == inbound(heard.message.recipient)
    if reply is None or sender.kind is not AddressKind.E164 or itself or heard.said_at < tx.now - ANSWERED_WITHIN:
        return
    if asked != "stop" and opted_out(tx, heard.line, [sender.value]):
        return  # what was asked for on another line holds here, too
    if asked != "help" and stops_since(tx, sender.value, heard.line, tx.now - STOPS_COUNTED_FOR) > STOPS_ANSWERED:
        return
    _send(tx, heard, asked, reply)


def _send(tx: Transaction, heard: Heard, asked: Keyword, reply: KeywordReply) -> None:
    request_id = f"keyword-{heard.message_id or tx.ids.new()}"
    request = SendRequest(
        line=heard.line,
        client=None,
        key=request_id,
        digest=request_id,
        to=(heard.message.sender,),
        text=reply.text,
        priority=Priority.HIGH,
        on_uncertain=OnUncertain.FAIL,
        message_class=MessageClass.COMPLIANCE if asked == "stop" else MessageClass.URGENT,
    )
    judged = judged_at_acceptance(tx, request, reply.plan, [None])
    expires_at = tx.now + REPLY_LIVES
    queued = store_request(tx, request, reply.plan, judged, request_id=request_id, expires_at=expires_at)
    # Nobody waits for an answer; the id is what receipts show, and what people trace.
    bind_key(tx, request, request_id, {"message_id": queued.message_id})


_HELPED = select(seen.c.at).where(seen.c.line == bindparam("here"), seen.c.key == bindparam("hashed"))
_HELP = (
    update(seen)
    .where(seen.c.line == bindparam("here"), seen.c.key == bindparam("hashed"))
    .values(at=bindparam("now", type_=Moment))
)
