"""What may still tell whether an uncertain copy was taken, until when, and what a person can do meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from relay.domain.schedule import TRACKING_HORIZON
from relay.failedcalls import EVIDENCE_MARGIN, SYNCS_FOR_EVIDENCE
from relay.providerkit.spec import Line, ShowsSentInHooks, SyncsMailbox

UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a line's provider may show of a call that it did not answer.

    Attributes:
        provider: its name.
        shown_in: `mailbox` or `hook`; None: it shows nothing.
        within: seconds in which it does so, if it took the call.
    """

    provider: str
    shown_in: str | None = None
    within: float = 0.0

    def until(self, since: datetime) -> datetime | None:
        """When to stop waiting for it; None where there is nothing to wait for."""
        return since + timedelta(seconds=self.within) if self.shown_in else None


def evidence_of(line: Line) -> Evidence:
    """What the provider of this line may show."""
    if isinstance(line, SyncsMailbox) and line.syncs_mailbox:
        return Evidence(line.provider, "mailbox", SYNCS_FOR_EVIDENCE * line.sync_interval + EVIDENCE_MARGIN)
    if isinstance(line, ShowsSentInHooks) and line.shows_sent_in_hooks:
        return Evidence(line.provider, "hook", TRACKING_HORIZON)
    return Evidence(line.provider)


def with_evidence(
    lines: Mapping[str, Evidence], copies: Sequence[dict[str, Any]], now: datetime
) -> Sequence[dict[str, Any]]:
    """The same copies; those that are uncertain say besides which provider has them, perhaps, and what to do.

    Each of these has `provider`, `evidence` (`shown_in`, `until`; None where nothing is to be expected) and `advice`.
    """
    return [{**one, **_judged(lines, one, now)} if one["status"] == UNCERTAIN else one for one in copies]


def _judged(lines: Mapping[str, Evidence], one: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    evidence = lines.get(one["line"])
    until = evidence.until(one["since"]) if evidence else None
    awaited = None if evidence is None or until is None else {"shown_in": evidence.shown_in, "until": until}
    return {
        "provider": evidence.provider if evidence else None,
        "evidence": awaited,
        "advice": f"{_expectation(evidence, until, now)} {_todo(one['copy_id'])}",
    }


def _expectation(evidence: Evidence | None, until: datetime | None, now: datetime) -> str:
    if evidence is None:
        return "The line is not in relay's settings any more: nothing will tell."
    if until is None:
        return f"Nothing of {evidence.provider} will tell: ask the recipient, or look at the provider's console."
    where = _SHOWN[evidence.shown_in or ""]
    at = until.strftime("%Y-%m-%d %H:%M:%SZ")
    if now < until:
        return (
            f"If {evidence.provider} took it, {where} shows it by {at}, and it is settled by itself: wait until then."
        )
    return f"{evidence.provider} has probably not taken it: {where} was to show it by {at}, if the line was in order."


def _todo(copy_id: str) -> str:
    return (
        f"Whoever has found out says so with `relay queue resolve {copy_id} --sent` or `--not-sent`;"
        f" `relay queue retry {copy_id}` sends it again, though the recipient may get it twice."
    )


_SHOWN = {"mailbox": "the mailbox", "hook": "a web hook"}
