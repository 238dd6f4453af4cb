"""How the node stands -> what is not in order, in words, and the command that helps or tells more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from relay.telemetry.health import LineState
from relay.telemetry.words import counted, moment

Found = Mapping[str, Any]


class Tone(StrEnum):
    """How good or bad something is, from the best to the worst."""

    GOOD = "good"
    WARN = "warn"  # worth knowing; relay sees to it
    BAD = "bad"  # texts wait, or a person has to do something


@dataclass(frozen=True, slots=True)
class Advice:
    """Something that is not in order, a sentence about it, and the command for it; None where relay sees to it."""

    about: str
    tone: Tone
    sentence: str
    command: str | None = None


def tone_of(advices: list[Advice]) -> Tone:
    """The worst of them; good where there is nothing to say."""
    order = list(Tone)
    return max((advice.tone for advice in advices), key=order.index, default=Tone.GOOD)


def advices(found: Found, readiness: Found) -> list[Advice]:
    """Everything that is not in order: first what stops most.

    Args:
        found: what `NodeStatus.as_body` gives, as JSON.
        readiness: what `NodeStatus.readiness` gives.
    """
    return [*_of_node(found, readiness), *_of_lines(found["lines"]), *_of_things(found)]


def line_advice(line: str, health: Found) -> Advice | None:
    """What to do about a line; None where it is in order."""
    if health.get("held_at"):
        since = moment(health["held_at"])
        release = f"relay queue release --line {line}"
        return Advice(line, Tone.WARN, f"line {line} is held by an operator since {since}", release)
    if health["state"] == LineState.READY:
        return None
    reason = health["reason"]
    meaning, command = _COMMANDS.get(health["state"], _ANY)
    of = f" ({reason})" if reason else ""
    sentence = f"line {line} is {health['state']}{of} since {moment(health['since'])}: {meaning}"
    tone = Tone.WARN if health["state"] == LineState.THROTTLED else Tone.BAD
    return Advice(line, tone, sentence, command.format(line=line) if command else None)


def _of_node(found: Found, readiness: Found) -> Iterator[Advice]:
    if not found["bus"]["connected"]:
        sentence = "the broker is not connected: events wait in the journal, commands wait at the broker"
        yield Advice("bus", Tone.BAD, sentence, "relay check")
    if readiness["journal"] != "open":
        yield Advice("journal", Tone.BAD, f"nothing new is taken: {readiness['journal']}", "relay check")
    if waiting := found.get("needs_restart"):
        sentence = f"settings were changed that are taken at the next start: {', '.join(waiting)}"
        yield Advice("settings", Tone.WARN, sentence)
    reason = str(readiness["reason"] or "")
    told_below = ("nothing new is taken", "lines:", "the broker is not connected")
    for part in reason.split("; "):
        if part and not part.startswith(told_below):
            yield Advice("node", Tone.BAD, part, "relay check")


def _of_lines(lines: Mapping[str, Found]) -> Iterator[Advice]:
    for line, health in lines.items():
        advice = line_advice(line, health)
        if advice is not None:
            yield advice


def _of_things(found: Found) -> Iterator[Advice]:
    uncertain = sum(of["copies"].get("uncertain", 0) for of in found["journal"]["lines"].values())
    if uncertain:
        sentence = f"of {counted(uncertain, 'copy', 'copies')} nobody knows whether the provider took it"
        yield Advice("uncertain", Tone.WARN, sentence, "relay queue list --uncertain")
    for kind, number in found["journal"]["set_aside"].items():
        if number and kind != "uncertain":
            sentence = f"{counted(number, _KINDS.get(kind, kind), _MANY.get(kind))} set aside for a person"
            yield Advice("asides", Tone.WARN, sentence, f"relay dead list --kind {kind}")


_ANY = ("see what relay finds", "relay check")
_COMMANDS: Mapping[str, tuple[str, str | None]] = {
    LineState.THROTTLED: ("it makes fewer calls until there is room again", None),
    LineState.UNREACHABLE: ("relay tries again by itself, and what is to be sent waits", "relay check"),
    LineState.STALE: ("nothing was heard for longer than there should be", "relay check"),
    LineState.SUSPENDED: ("what is to be sent waits until that is mended", "relay check"),
    LineState.CONSENT_REQUIRED: ("the subscriber has to agree", "relay auth login {line}"),
    LineState.UNAUTHORIZED: ("the provider does not take its credentials", "relay check"),
}
_KINDS = {
    "raw": "thing that cannot be read",
    "event": "event that cannot be published",
    "orphan": "receipt of no message",
    "damaged": "damaged row",
}
_MANY = {
    "raw": "things that cannot be read",
    "event": "events that cannot be published",
    "orphan": "receipts of no message",
    "damaged": "damaged rows",
}
