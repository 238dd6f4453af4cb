"""One step of what happened to a message -> a sentence: what `relay trace` and the status page say.

A step is what the journal's `trace` gives, after it was JSON. It holds no text and no number, nor does its sentence.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from relay.telemetry.words import counted, moment

Step = Mapping[str, Any]


def step_sentence(step: Step) -> str:
    """What happened, in words; a step of a kind that is not known shows its fields."""
    what = step.get("what", "")
    is_event = "event_id" in step
    return (_EVENTS.get(what, _announced) if is_event else _SENTENCES.get(what, _fields))(step)


def _message(step: Step) -> str:
    came = step["direction"] == "in"
    first = f"a text came in on line {step['line']}" if came else f"a request for line {step['line']} was accepted"
    return _joined(
        first,
        f"message {step['message_id']}",
        step["request_id"] and f"request {step['request_id']}",
        step["client"] and f"from client {step['client']}",
        None if came else _still_open(step["open_copies"]),
        step["send_at"] and f"to be sent at {moment(step['send_at'])}",
        step["refs"] and f"the provider's id {' '.join(step['refs'])}",
        step["forgotten"] and "its text and numbers are forgotten",
    )


def _still_open(copies: int) -> str:
    return f"{counted(copies, 'copy is', 'copies are')} not at the end yet" if copies else "every copy is at its end"


def _copy(step: Step) -> str:
    return _joined(
        f"copy {step['copy_id']} is {step['state']}",
        step["attempt"] and f"{counted(step['attempt'], 'attempt')}",
        _provider(step),
        step["error"] and f"error {step['error']}: relay explain {step['error']}",
        step["unseen"] and "the provider has not shown it yet",
        step["call_id"] and f"in call {step['call_id']}",
    )


def _provider(step: Step) -> str | None:
    said = " ".join(str(part) for part in (step["provider_status"], step["provider_code"]) if part not in {None, ""})
    return f"the provider says {said}" if said else None


def _call(step: Step) -> str:
    waits = step["stage"] == "waiting"
    return _joined(
        f"call {step['call_id']} on line {step['line']} is {_STAGES.get(step['stage'], step['stage'])}",
        step["lane"] and f"lane {step['lane']}",
        step["attempts"] and f"{counted(step['attempts'], 'attempt')}",
        step["handed_over_at"] and f"handed over at {moment(step['handed_over_at'])}",
        waits and step["due_at"] and f"due at {moment(step['due_at'])}",
        waits and step["expires_at"] and f"expires at {moment(step['expires_at'])}",
        step["behind"] and f"behind call {step['behind']}",
        step["look_at"] and f"looked at next at {moment(step['look_at'])}",
        step["looks"] and f"looked at {counted(step['looks'], 'time')}",
    )


def _waits(step: Step) -> str:
    return f"{counted(step['copies'], 'copy', 'copies')} in call {step['call_id']}: {step['sentence']}"


def _result(step: Step) -> str:
    replayed = "the same answer again" if step.get("replayed") else None
    return _joined(f"the answer: {step.get('outcome', 'known')}", replayed, _published(step))


def _receipt(step: Step) -> str:
    before = step.get("previous")
    return _joined(
        f"copy {step.get('copy_id')} is {step.get('status')}{' (final)' if step.get('final') else ''}",
        before and f"it was {before}",
        "nobody confirmed it" if step.get("confirmed") is False else None,
        "it came late" if step.get("late") else None,
        _published(step),
    )


def _announced(step: Step) -> str:
    return _joined(f"announced as {step['event_id']}", step.get("why"), _published(step))


def _published(step: Step) -> str:
    at = step.get("published_at")
    return f"on the bus at {moment(at)}" if at else "it waits for the bus"


def _raw(step: Step) -> str:
    of = f", {step['event']}," if step["event"] else ""
    return f"what came from line {step['line']} by {step['source']}{of} was kept as {step['raw_id']}: {step['state']}"


def _awaited(step: Step) -> str:
    due = step["due_at"] and f"looked for again at {moment(step['due_at'])}"
    return _joined(f"line {step['line']} waits for {step['ref']} of the provider", due)


def _aside(step: Step) -> str:
    return _joined(
        f"set aside for a person, as {step['kind']}: {step['why']}",
        f"it is {step['state']}",
        f"relay dead show {step['aside_id']}",
    )


def _fields(step: Step) -> str:
    shown = {key: value for key, value in step.items() if key not in {"at", "what"} and value is not None}
    return "  ".join(f"{key}={value}" for key, value in shown.items())


def _joined(*parts: Any) -> str:
    """The parts that there are, as one sentence."""
    return "; ".join(_told(parts))


def _told(parts: Iterable[Any]) -> Iterable[str]:
    return (str(part) for part in parts if part)


_STAGES = {"waiting": "waiting to be made", "in_flight": "under way", "followed": "made, and its receipts are followed"}
_SENTENCES: Mapping[str, Callable[[Step], str]] = {
    "message": _message,
    "copy": _copy,
    "call": _call,
    "waits": _waits,
    "raw": _raw,
    "arrival": _awaited,
    "sighting": _awaited,
    "aside": _aside,
}
_EVENTS: Mapping[str, Callable[[Step], str]] = {"result": _result, "receipt": _receipt}
