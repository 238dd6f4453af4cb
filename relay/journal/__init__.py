"""The journal: the durable truth, in which relay's stages meet.

What it promises, on every database:

1. *Accepted means on disk.* A verb that writes returns after its transaction was committed and synced, and not
    before. A power cut takes nothing of what was acknowledged, and what it takes was acknowledged to nobody.
2. *All or nothing.* What belongs together is one transaction: a request with its copies, its calls, its key and
    its answer; a provider's bytes with the messages, reports and announcements that were read from them.
3. *Bytes before meaning.* What a provider sent is kept as it came. It is read afterwards, once: reading it a
    second time, because relay fell in between, changes nothing and announces nothing.
4. *Begun before it is written.* A call is claimed, and on disk as begun, before a byte of it leaves. A call
    that is found begun and not ended is uncertain. It is made again only if its request says so.
5. *One judge.* Only the owner who claimed a call may say how it ended, and only once: who comes late changes
    nothing.
6. *One final receipt.* Every copy that was accepted gets exactly one receipt with `final: true`. A fact that
    comes later is told as late, or not at all; a fact that cannot be true changes nothing.
7. *Announced if and only if it happened.* An event is committed with what it tells. It is given out in the
    order of commits until somebody marks it as published, always under the same id; a message's sequence rises
    by one.
8. *Nothing vanishes.* What cannot be read, published or decided is set aside, listed, and noticed on
    `relay/dead`. A row whose checksum does not fit is never taken for whole.
9. *Bounded.* What brings something new is refused (`JournalFull`, `queue_full`) when too much waits. What is
    known of work under way is always taken. What is finished is forgotten in small pieces, after its time. On a
    full disk what is new is refused, and nothing begins (`JournalShut`); what is known is written in the room of
    the ballast, and new things are taken again once there is room.
10. *A failed write is no write, as far as anybody may rely on it.* Every waiter of a commit that failed is
    told.
11. *One writer at a time.* On a file, a second process is turned away. Over a database that nodes share, one
    transaction writes at a time, whoever's it is; a node that others have given up for dead begins nothing more, and
    what it has read already is kept. A relay that is older than the tables is turned away.
12. *A mailbox is followed without a gap.* Its cursor is committed with what it brought. Each message is fetched and
    published once, however often it is listed; a message that cannot be had whole is published with the reason.
13. *What is seen is not guessed.* A message that the provider shows as sent settles the copy that it is of. Only
    what no copy of relay's can be, after its grace, was sent from another device.

A thousand writers who wait together cost a few syncs: what was handed in while one commit ran is the next one.
"""

from relay.journal.answers import Answer
from relay.journal.arrivals import Arrival
from relay.journal.bells import Bell
from relay.journal.calls import Recovered
from relay.journal.dead import ASIDE_KINDS, TakenUp
from relay.journal.events import Pending
from relay.journal.failures import (
    AmbiguousId,
    JournalDamaged,
    JournalError,
    JournalFenced,
    JournalFull,
    JournalInUse,
    JournalShut,
    JournalTooNew,
    JournalUnusable,
    JournalUnwritten,
    TooManyReplays,
    UnknownAside,
    UnknownId,
)
from relay.journal.forgetting import Forgotten
from relay.journal.journal import Journal, JournalLimits
from relay.journal.lab import lab_anchor
from relay.journal.leases import Lease
from relay.journal.limitrows import Limit
from relay.journal.looks import Look
from relay.journal.mailbox import Changed, MailboxStanding
from relay.journal.media import KeptMedia
from relay.journal.memory import Memory
from relay.journal.nodes import Beat, NodeSeen
from relay.journal.optoutrows import Source
from relay.journal.optouts import Listed
from relay.journal.outlook import Outlook
from relay.journal.queries import Gauges
from relay.journal.queuelist import STATUSES, Wanted
from relay.journal.raw import Hook, HookDelivery, PageMark
from relay.journal.rawrows import KeptRaw
from relay.journal.replays import KINDS, Replay, Wish
from relay.journal.retention import Lifetimes
from relay.journal.space import Shut
from relay.journal.spool import Spool
from relay.journal.steering import Steered
from relay.journal.telling import message_body
from relay.journal.understanding import Reading, Understood

__all__ = [
    "ASIDE_KINDS",
    "KINDS",
    "STATUSES",
    "AmbiguousId",
    "Answer",
    "Arrival",
    "Beat",
    "Bell",
    "Changed",
    "Forgotten",
    "Gauges",
    "Hook",
    "HookDelivery",
    "Journal",
    "JournalDamaged",
    "JournalError",
    "JournalFenced",
    "JournalFull",
    "JournalInUse",
    "JournalLimits",
    "JournalShut",
    "JournalTooNew",
    "JournalUnusable",
    "JournalUnwritten",
    "KeptMedia",
    "KeptRaw",
    "Lease",
    "Lifetimes",
    "Limit",
    "Listed",
    "Look",
    "MailboxStanding",
    "Memory",
    "NodeSeen",
    "Outlook",
    "PageMark",
    "Pending",
    "Reading",
    "Recovered",
    "Replay",
    "Shut",
    "Source",
    "Spool",
    "Steered",
    "TakenUp",
    "TooManyReplays",
    "Understood",
    "UnknownAside",
    "UnknownId",
    "Wanted",
    "Wish",
    "lab_anchor",
    "message_body",
]
