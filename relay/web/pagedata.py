"""How the node stands -> what the status page shows: words, tones and charts; no text, no number and no secret.

The journal and the board hold none of those where this is read from. What clients chose (ids, names) passes through
the logs' net besides: a phone number in it becomes the same `peer` as in the log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json

from relay.clock import Clock
from relay.telemetry.advice import Advice, Tone, advices, line_advice, tone_of
from relay.telemetry.logging import peer
from relay.telemetry.redaction import Redactor
from relay.telemetry.statuswords import Table, counts, headline, tables
from relay.telemetry.stepwords import step_sentence
from relay.web.charts import charts
from relay.web.historian import Historian

FRESH_FOR = 1.0  # seconds: however many look, it is put together no more often than that ...
REST_FACTOR = 20  # ... nor for more than so small a part of the time

Status = Callable[[], Awaitable[Mapping[str, Any]]]
Steps = Callable[[str], Awaitable[Sequence[Mapping[str, Any]]]]


class PageData:
    """Makes what the page shows.

    Args:
        status: gives how the node stands, as `NodeStatus.as_body` does.
        readiness: gives whether it is in order, as `NodeStatus.readiness` does.
        steps: gives what is known of an id.
        historian: keeps the charts' hour.
        clock: relay's time.
    """

    def __init__(
        self,
        status: Status,
        readiness: Callable[[], Mapping[str, Any]],
        steps: Steps,
        *,
        historian: Historian,
        clock: Clock,
    ) -> None:
        self._status = status
        self._readiness = readiness
        self._steps = steps
        self._historian = historian
        self._clock = clock
        self._body = b""
        self._fresh_until = 0.0
        self._asking = asyncio.Lock()

    async def shown(self) -> bytes:
        """What the page shows, not older than a moment; raises JournalError."""
        async with self._asking:
            loop = asyncio.get_running_loop()
            began = loop.time()
            if began >= self._fresh_until:
                self._body = to_json(masked(await self._made()))
                self._fresh_until = loop.time() + max(FRESH_FOR, REST_FACTOR * (loop.time() - began))
            return self._body

    async def traced(self, about: str) -> list[dict[str, Any]]:
        """What is known of an id: `at`, `what` and `sentence` of each step; raises JournalError."""
        steps = [_redactor.fields(step) for step in from_json(to_json(await self._steps(about)))]
        return [
            masked({"at": step.get("at"), "what": step.get("what", ""), "sentence": step_sentence(step)})
            for step in steps
        ]

    async def _made(self) -> dict[str, Any]:
        found = from_json(to_json(await self._status()))
        await self._historian.look()
        self._historian.saw(found["journal"])
        now, readiness = self._clock.now(), self._readiness()
        troubles = advices(found, readiness)
        tone = tone_of(troubles)
        return {
            "now": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "node": found["node"],
            "version": found["version"],
            "state": found["state"],
            "tone": tone.value,
            "summary": _summary(tone, len(troubles)),
            "headline": headline(found),
            "troubles": [_advice(each) for each in troubles],
            "tables": [_table(each, found) for each in tables(found) if each.rows],
            "counts": [
                {"number": each.number, "words": each.words, "kinds": each.kinds, "command": each.command}
                for each in counts(found)
            ],
            **charts(self._historian.minutes, now),
        }


def masked(value: Any) -> Any:
    """The same, with every text passed through the logs' net; the names of fields are relay's own."""
    match value:
        case str():
            return _redactor.text(value)
        case Mapping():
            return {name: masked(part) for name, part in value.items()}
        case list() | tuple():
            return [masked(part) for part in value]
    return value


def _summary(tone: Tone, troubles: int) -> str:
    if tone is Tone.GOOD:
        return "Everything is in order"
    things = "One thing is" if troubles == 1 else f"{troubles} things are"
    return f"{things} not in order" if tone is Tone.BAD else f"It works; {things.lower()} worth a look"


def _advice(each: Advice) -> dict[str, Any]:
    return {"tone": each.tone.value, "sentence": each.sentence, "command": each.command}


def _table(table: Table, found: Mapping[str, Any]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [{"cells": row} for row in table.rows]
    head = table.head
    if table.name == "lines":
        head = (*head, "what to do")
        for row, (line, health) in zip(rows, found["lines"].items(), strict=True):
            advice = line_advice(line, health)
            row["tone"] = (advice.tone if advice else Tone.GOOD).value
            row["cells"] = (*row["cells"], (advice.command if advice else None) or "-")
    return {"name": table.name, "title": table.title, "head": head, "rows": rows}


_redactor = Redactor(peer)
