"""Every event that relay logs: its name, levels, fields and meaning. A test compares it with the code, both ways."""

from collections.abc import Iterator, Mapping

from relay.telemetry.logentry import Entry
from relay.telemetry.sharedevents import BUS_EVENTS, NODE_EVENTS

CATALOGUE: Mapping[str, Entry] = {
    **BUS_EVENTS,
    **NODE_EVENTS,
    # relay itself
    "relay.started": Entry("info", "version node lines", "relay serves its lines"),
    "relay.stopping": Entry("info", "node", "relay was told to stop; calls in flight may finish"),
    "relay.stopped": Entry("info", "node", "relay has stopped"),
    "reload.begun": Entry(
        "info",
        "added removed changed",
        "settings were read again and are good: these lines come, go or are exchanged",
    ),
    "reload.done": Entry("info", "lines", "what could be taken of the settings is taken; so many lines are served now"),
    "reload.refused": Entry(
        "error", "problems", "settings were read again and are not good: nothing was changed, those from before stay"
    ),
    "reload.needs_restart": Entry("warning", "keys", "these settings were changed, and are taken at the next start"),
    "reload.failed": Entry(
        "critical", "exception", "relay itself failed at a reload: some lines may stand still; restart relay"
    ),
    "line.added": Entry("info", "line", "a line that came with a reload is served"),
    "line.changed": Entry("info", "line", "a line is served with its new settings; what waited for it goes on"),
    "line.removed": Entry("info", "line", "a line that a reload took away is closed; what waits for it is listed"),
    "clock.jumped": Entry(
        "warning",
        "seconds moved",
        "the machine's clock was put forward, or back where `seconds` is negative; with it `moved` things that wait",
    ),
    "stage.failed": Entry(
        "error", "stage line failures wait exception", "a stage failed; it is tried again after `wait` seconds"
    ),
    "stage.undrained": Entry(
        "error", "stage line exception", "a stage could not finish its work in flight as it stopped"
    ),
    "stage.recovered": Entry("info", "stage line", "a stage that had failed works again"),
    "charts.ended": Entry(
        "warning",
        "exception",
        "the charts of the status page failed, and stand still until the next start; all else goes on",
    ),
    "stage.stuck": Entry("critical", "stages", "stages have been at one step for too long; systemd will restart relay"),
    "library.logged": Entry("info warning error critical", "logger said exception", "a library said something"),
    # the journal
    "journal.recovered": Entry(
        "info warning",
        "node cut_calls uncertain unread unpublished",
        "the journal is open: what the last stop cut and left; a cut call is uncertain, and not made again",
    ),
    "journal.copied": Entry(
        "info", "file revision", "the journal's tables are changed to those of this relay; as it was before it is kept"
    ),
    "copy.resolved": Entry(
        "info", "line message_id copy_id sent", "an operator found out what became of an uncertain copy, and said so"
    ),
    "report.orphaned": Entry(
        "warning", "line reports", "delivery reports were set aside: relay sent nothing of their ids in 72 hours"
    ),
    "journal.full": Entry(
        "error",
        "reason refused free_bytes",
        "the disk takes no more, or fails: what is new is refused, and outcomes are written in the ballast's room",
    ),
    "journal.takes_again": Entry(
        "info", "reason seconds", "the journal takes things again, `seconds` after `journal.full` or `journal.away`"
    ),
    "journal.damaged": Entry(
        "critical",
        "stage reason",
        "the journal's file is damaged, told once: the reason names the command to restore it",
    ),
    "journal.reindexed": Entry(
        "error", "times", "a row of the journal was damaged, so that its indexes were made anew; the row is set aside"
    ),
    "journal.tidied": Entry(
        "info",
        "expired ended orphans joined",
        "copies expired, copies no longer followed, reports set aside, messages announced without all their pieces",
    ),
    "journal.rewritten": Entry(
        "info", "", "the journal's file was written anew, so that nothing deleted is left in it"
    ),
    "journal.not_rewritten": Entry(
        "warning", "reason", "the journal's file could not be written anew: bytes of what was deleted may be left in it"
    ),
    "spool.taking": Entry(
        "warning", "reason", "the journal's database is away: web hooks are kept in this node's spool from now on"
    ),
    "spool.folded": Entry("info", "hooks since", "the web hooks that the spool kept are in the journal, all of them"),
    "spool.untidied": Entry(
        "warning", "", "the spool's file could not be written anew: bytes of what was deleted may be left in it"
    ),
    "people.forgotten": Entry(
        "info",
        "people left clean copies messages events",
        "an operator had people forgotten: how much was erased of each kind, and how much could not be yet",
    ),
    "call.fenced": Entry("warning", "call_id owner stage", "an answer came for a call that somebody else has judged"),
    "arrival.dropped": Entry("info", "line arrival_id", "the provider has a message no more that was to be fetched"),
    "sighting.own": Entry("info", "line message_id copies", "the provider shows a message that relay has sent"),
    "copy.contradicted": Entry("warning", "line copy_id state fact", "a provider's word did not fit the copy's state"),
    "raw.aside": Entry(
        "warning", "line source raw_id", "a provider's answer could not be read; it is kept for a person"
    ),
    "aside.flood": Entry(
        "warning", "line kind what things", "so many things of a flood were set aside without a notice of their own"
    ),
    "report.unmatched": Entry("warning", "line call_id", "a delivery status names no copy of its call"),
    "queue.steered": Entry(
        "info", "verb about copies left", "an operator held, released, retried or canceled copies; `left` were not"
    ),
    "line.held": Entry("info", "line since", "an operator holds a line: it begins no call to send"),
    "line.released": Entry("info", "line was_held restored", "an operator lets a line send again"),
    # texts out
    "circuit.opened": Entry(
        "warning",
        "line code reason failures next_try_at",
        "calls in a row were not answered usably: one at a time is tried until one is",
    ),
    "circuit.closed": Entry("info", "line lasted tries", "the provider answers again, after `lasted` seconds"),
    "call.begun": Entry("debug", "line call_id message_id attempt", "a call to the provider begins"),
    "call.answered": Entry("info", "line call_id message_id copies", "the provider has taken a call"),
    "call.unmade": Entry(
        "error", "line call_id message_id wait", "a call was not made: the journal could not keep the line's new token"
    ),
    "call.failed": Entry(
        "info warning error",
        "line call_id message_id attempt policy code http provider_code",
        "a call failed; `policy` is what follows. What is tried again is a warning the first time",
    ),
    "call.untracked": Entry(
        "warning", "line call_id copies", "the provider took copies without an id: no report can reach them"
    ),
    "budget.told": Entry(
        "warning",
        "line about limit spent ends_at",
        "a month's budget of calls will not last, or is used up for sending",
    ),
    "status.looks": Entry(
        "info warning",
        "line often left",
        "how often delivery status is asked for has changed with the month's budget of calls: `as usual`; `rarely`, and"
        " receipts come late; `never`, and receipts will be missing",
    ),
    "status.read": Entry("debug", "line call_id reports", "a call's delivery status was read"),
    "status.failed": Entry(
        "info warning",
        "line call_id policy code",
        "a call's delivery status could not be fetched; a warning for the first time in a row",
    ),
    "status.recovered": Entry("info", "line failures", "delivery status can be fetched again"),
    "copy.changed": Entry(
        "debug info",
        "line message_id request_id copy_id peer status final late code trace_id",
        "a copy's receipt was published; info where it is the final one",
    ),
    # texts in
    "message.received": Entry(
        "info", "line message_id peer keyword duplicate_suspect", "a text that came in was published"
    ),
    "inbox.salvaged": Entry(
        "warning", "line raw_id messages", "a damaged page was read message by message; its rest is set aside"
    ),
    "inbox.read": Entry("info", "line raw_id messages pending", "a page of the inbox was read"),
    "inbox.failed": Entry(
        "info warning",
        "line policy code failures",
        "the inbox could not be fetched; a warning for the first time in a row",
    ),
    "inbox.recovered": Entry("info", "line failures", "the inbox can be fetched again"),
    "inbox.loss_suspected": Entry(
        "info error", "line reason", "a page may have been deleted at the provider and not received"
    ),
    "mailbox.followed": Entry(
        "debug info", "line added updated deleted", "what changed in a message store was taken; info where anything did"
    ),
    "mailbox.compared": Entry(
        "info", "line listed added updated deleted", "a message store was compared as a whole with what is known of it"
    ),
    "mailbox.another": Entry(
        "warning",
        "line unfetched",
        "a line has another number: what was known of the former one's messages is forgotten",
    ),
    "mailbox.failed": Entry(
        "info warning",
        "line policy code failures",
        "a message store could not be asked; a warning for the first time in a row",
    ),
    "mailbox.recovered": Entry("info", "line failures", "a message store can be asked again"),
    "arrival.whole": Entry(
        "info warning",
        "line arrival_id parts lost",
        "all that can be had of a message is here; `lost` says why attachments are not",
    ),
    "arrival.failed": Entry(
        "info warning", "line arrival_id attempts policy code", "a message or its attachments are fetched later"
    ),
    "media.unkept": Entry("error", "line reason", "an attachment could not be kept in its folder; it is fetched again"),
    "media.swept": Entry("info", "files", "attachments that nobody knows were deleted, after a fall"),
    "hook.read": Entry("info", "line hook raw_id messages duplicates applied parked", "a web hook was read"),
    "hook.refused": Entry(
        "error", "line hook reason unlogged", "a web hook could not be kept; the provider was asked to call again"
    ),
    "hook.turned_away": Entry(
        "info", "source reason unlogged", "a caller of the web-hook listener was not let in; `unlogged` more like it"
    ),
    "hooks.checked": Entry(
        "debug info", "line changes", "the provider's web hooks were compared with relay's, and mended"
    ),
    "hooks.failed": Entry(
        "info warning",
        "line policy code",
        "the provider's web hooks could not be compared; a warning for the first time in a row",
    ),
    "hooks.recovered": Entry("info", "line failures", "the provider's web hooks can be compared again"),
    "hooks.changed": Entry("info", "line changes", "a person had a line's web hooks installed, mended or removed"),
    "consent.asked": Entry("info", "line", "somebody asks for a subscriber's consent, and waits for it"),
    "consent.given": Entry("info", "line", "a subscriber has agreed"),
    "consent.refused": Entry("warning", "line policy", "a login brought no consent; whoever waits for it sees why"),
    "consent.unkept": Entry("error", "line policy", "a consent was given and cannot be kept: it has to be given again"),
    "consent.unread": Entry("warning", "line policy", "the journal did not say how a login stands; it is asked again"),
    "consent.unclosed": Entry("warning", "line policy", "a login could not be closed; its time will be over"),
    "consent.revoked": Entry("info", "line", "a subscriber's consent was given back"),
    "hooks.not_installed": Entry("warning", "line reason", "no web hooks are installed for a line that takes them"),
    "listener.started": Entry("info", "host port setting", "an address is listened on, which `setting` names"),
    "listener.handed_over": Entry(
        "info", "name", "the web-hook listener goes on with a socket that systemd has kept, or made"
    ),
    "listener.unwanted": Entry(
        "warning",
        "name",
        "a socket unit listens elsewhere than webhooks.listen says: who calls there is not answered",
    ),
    "listener.exhausted": Entry(
        "warning", "error unlogged", "the machine has no means for one more connection; callers wait"
    ),
    "listener.crowded": Entry(
        "warning",
        "connections unlogged",
        "a listener holds as many connections as it may: the most silent are cut for new ones",
    ),
    "listener.uncrowded": Entry("info", "connections", "a listener that was crowded has room again"),
    # the providers' services
    "provider.call": Entry("debug", "method path status", "a provider answered an HTTP request"),
    "provider.call.failed": Entry("debug", "method path written error", "an HTTP request got no answer"),
    "provider.credentials.unseen": Entry(
        "error", "http asked", "the provider did not see the credentials that were sent"
    ),
    "provider.receipts.refused": Entry(
        "warning", "line call_id http", "the provider calls no receipts back; the text is sent without asking for them"
    ),
    "session.opened": Entry("info", "line", "a line has logged in, and keeps its new session"),
    "oauth.token.kept": Entry("debug", "expires_at", "a new access token is kept"),
    "oauth.token.superseded": Entry("info", "", "another node has kept another token meanwhile, which is used instead"),
    "sharing.unasked": Entry("warning", "line turn policy", "the journal did not say whether another node is at it"),
    "sharing.unreleased": Entry("warning", "line turn policy", "a turn could not be given back; it ends by itself"),
    "sharing.unread": Entry("warning", "line policy", "the journal did not say what other nodes have kept"),
    "oauth.token.unreadable": Entry("warning", "", "the kept access token cannot be read; a new one is asked for"),
    "oauth.refresh.refused": Entry(
        "info", "code", "a refresh token was refused; a new token is asked for from scratch"
    ),
    "oauth.renewal.failed": Entry("warning", "code expires_at", "an early renewal failed; the old token is still used"),
    "consent.renewal.left": Entry(
        "info", "line", "another node began to renew a consent and has not ended it; the old token is still used"
    ),
    "consent.kept": Entry("info", "line renewable_until", "a subscriber's consent is kept, with its tokens"),
    "consent.ended": Entry(
        "warning", "line reason", "a subscriber's consent is no more; the line rests until there is a new one"
    ),
    "call.traced": Entry(
        "info", "line call_id provider_id", "the id under which the provider can trace a send; no message has it"
    ),
    "mailbox.index.unknown": Entry(
        "warning",
        "line status",
        "the message index has had an unknown status for an hour; relay goes on as if it were ready",
    ),
    "mailbox.deleted_already": Entry("debug", "line", "a message that was to be deleted is not in the store"),
}


def as_markdown() -> str:
    """The catalogue as the page `docs/log-events.md`."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield "# Log events"
    yield ""
    yield "Made from `relay/telemetry/catalogue.py`; a test keeps it true. Each line has `timestamp` (UTC), `level` and"
    yield "`event`. None holds a message text, a phone number or a secret: a number appears as `peer`, a hash under the"
    yield "installation's own key, equal for equal numbers. `exception` is an error's type and where it came from."
    yield ""
    yield "| event | level | fields | meaning |"
    yield "|---|---|---|---|"
    for name, entry in sorted(CATALOGUE.items()):
        fields = ", ".join(f"`{field}`" for field in entry.fields.split())
        yield f"| `{name}` | {', '.join(entry.levels.split())} | {fields} | {entry.meaning} |"
