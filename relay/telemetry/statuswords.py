"""How the node stands -> words: the headline, tables and counts of `relay status` and of the status page.

What is put in words is what `NodeStatus.as_body` gives, after it was JSON: times are texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relay.telemetry.words import ago, ahead, lasts, moment, waits

Row = tuple[str, ...]
Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """One table: a name for programs, a title for people, what stands above its columns, and its rows."""

    name: str
    title: str
    head: Row
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Count:
    """So many of something, and of which kinds, where that matters: `3`, `things wait for a person`, `2 raw, 1 event`.

    `command` shows them; None where nothing does.
    """

    name: str
    number: int
    words: str
    kinds: str = ""
    command: str | None = None

    @property
    def sentence(self) -> str:
        """What is counted, with its kinds and the command that shows them."""
        return f"{self.words}: {self.kinds} ({self.command})" if self.kinds else self.words


def headline(found: Found) -> str:
    """The node, its state and why, and its broker, in one line: the sentence that is the same everywhere.

    Needs no more of `found` than `node`, `state`, `reason`, `since`, `bus` and `version`.
    """
    bus = f"connected (MQTT {found['bus']['protocol']})" if found["bus"]["connected"] else "not connected"
    reason = f" ({found['reason']})" if found.get("reason") else ""
    state = f"{found['state']} since {moment(found['since'])}{reason}"
    return f"node {found['node']}: {state}; bus {bus}; {found['version']}"


def tables(found: Found, now: str | None = None) -> list[Table]:
    """Every table, those without a row too; the lines come first.

    `now`: times are told as people do, such as `4 min ago`; None: as times, for what stays to be read later.
    """
    lines, waiting = found["lines"], found["journal"]["lines"]
    at, oldest = ("since", "oldest is due") if now is None else ("for", "oldest waits")
    open_circuits = {line: health["circuit"] for line, health in lines.items() if health["circuit"]}
    return [
        Table(
            "lines", "Lines", ("line", "state", at, *_LINES), [line_row(line, of, now) for line, of in lines.items()]
        ),
        Table(
            "circuits",
            "Open circuits",
            ("line", f"circuit open {at}", *_CIRCUIT),
            [circuit_row(line, of, now) for line, of in open_circuits.items()],
        ),
        Table("limits", "Calls and limits", _LIMITS, [limits_row(line, of, now) for line, of in lines.items()]),
        Table("consents", "Consents", _CONSENT, [_consent_row(*one) for one in found["consent"].items()]),
        Table("mailboxes", "Mailboxes", _MAILBOX, [_mailbox_row(*one) for one in found["mailboxes"].items()]),
        Table("nodes", "Nodes", _NODES, [_node_row(seen) for seen in found["nodes"]]),
        Table(
            "waiting",
            "Waiting to be sent",
            (*_WAITING, oldest, "copies"),
            [_waiting_row(line, of, now) for line, of in waiting.items()],
        ),
    ]


def counts(found: Found) -> list[Count]:
    """What waits that is of no line; zero counts, too."""
    journal, spool = found["journal"], found["spool"]
    counted = {name: journal[name] for name in _COUNTS} | ({"spool": spool["hooks"]} if spool is not None else {})
    kinds = ", ".join(f"{number} {kind}" for kind, number in journal["set_aside"].items() if number)
    return [
        Count(
            name,
            number,
            (_COUNTS | _SPOOLED)[name][number != 1],
            kinds if name == "asides" else "",
            "relay dead list" if name == "asides" else None,
        )
        for name, number in counted.items()
    ]


def line_row(line: str, health: Found, now: str | None = None) -> Row:
    """A line's state and its times."""
    reason = f" ({health['reason']})" if health["reason"] not in {None, health["state"]} else ""
    past = (ago(health.get(name), now) for name in ("last_in", "last_out", "last_success"))
    coming = (ahead(health.get(name), now) for name in ("next_poll_at", "loss_at"))
    return (line, health["state"] + reason, lasts(health["since"], now), *past, *coming)


def circuit_row(line: str, circuit: Found, now: str | None = None) -> Row:
    """For how long a line has made one call at a time to see whether its provider answers again, and why."""
    return (line, lasts(circuit["since"], now), ahead(circuit["next_try_at"], now), circuit["reason"])


def limits_row(line: str, standing: Found, now: str | None = None) -> Row:
    """How the line stands with its limits; a line of which nothing is limited shows what it has spent today."""
    limits, held_at = standing["limits"], standing["held_at"]
    month, release = limits["month"], f"relay queue release --line {line}"
    used_up = "-" if month is None else ahead(month["ends_at"], now) if month["ends_at"] else "not this month"
    return (
        line,
        _spent(limits["today"], limits["calls_per_day"]),
        _spent(month["spent"], month["limit"]) if month else "-",
        used_up,
        f"held {'for' if now else 'since'} {lasts(held_at, now)}: {release}"
        if held_at
        else ahead(standing["next_call_at"], now),
    )


def _spent(calls: int, limit: int | None) -> str:
    return str(calls) if limit is None else f"{calls} of {limit}"


def _consent_row(line: str, standing: Found) -> Row:
    given = "given" if standing["given"] else f"run: relay auth login {line}"
    return (line, given, moment(standing["since"]), moment(standing["renewable_until"]))


def _mailbox_row(line: str, standing: Found) -> Row:
    return (line, "followed" if standing["followed"] else "not compared yet", moment(standing["since"]))


def _node_row(seen: Found) -> Row:
    return (seen["name"], moment(seen["since"]), seen["version"], " ".join(seen["turns"]) or "-")


def _waiting_row(line: str, counts: Found, now: str | None) -> Row:
    calls = (str(counts["calls"][stage]) for stage in ("waiting", "in_flight", "followed"))
    copies = ", ".join(f"{number} {status}" for status, number in counts["copies"].items())
    return (line, *calls, waits(counts["oldest_due"], now), copies)


_LINES = ("last in", "last out", "last success", "next poll", "discards")
_LIMITS = ("line", "calls today", "calls this month", "used up", "next call")
_CIRCUIT = ("next try", "why")
_CONSENT = ("line", "consent", "since", "can be renewed until")
_MAILBOX = ("line", "mailbox", "since")
_NODES = ("node", "lives since", "version", "turns")
_WAITING = ("line", "calls waiting", "in flight", "followed")
_COUNTS = {
    "unpublished": ("event waits for the bus", "events wait for the bus"),
    "unread": ("inbound page or web hook waits to be read", "inbound pages and web hooks wait to be read"),
    "parked": ("receipt waits for its message", "receipts wait for their message"),
    "asides": ("thing waits for a person", "things wait for a person"),
}
_SPOOLED = {
    "spool": ("web hook waits in the spool for the journal", "web hooks wait in the spool for the journal"),
}
