"""The last hour, minute by minute -> the charts of the status page: their numbers, and all their words."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from relay.telemetry.minutes import KEPT, Minutes
from relay.telemetry.words import counted, lasting

Rows = Sequence[tuple[datetime, dict[str, float | None]]]


def charts(minutes: Minutes, now: datetime) -> dict[str, Any]:
    """`times`: when each minute began; `since`: from when on anything is known; `charts`, each with its numbers.

    A chart has a `kind`: `mirror` (one series up, one down), `area`, or `stack`; its `series`, each with a label, a
    `look` (`solid`, `hatched`, `open`) and `values`; a `summary` in words; and `shown`, the values as people read them
    where they are no plain numbers.
    """
    rows = minutes.rows(now)
    return {
        "times": [_written(at) for at, _ in rows],
        "since": _written(minutes.since),
        "charts": [_flow(rows), _queue(rows), _wait(rows), _delivery(rows)],
    }


def _flow(rows: Rows) -> dict[str, Any]:
    sent, received = _of(rows, "sent"), _of(rows, "received")
    return {
        "name": "flow",
        "kind": "mirror",
        "title": "Texts per minute",
        "series": [_series("sent to the provider", "solid", sent), _series("received", "hatched", received)],
        "summary": f"In the last {KEPT} minutes {_sum(sent)} sent to the provider, {_sum(received)} received;"
        f" at most {_most(sent)} sent in a minute.",
    }


def _queue(rows: Rows) -> dict[str, Any]:
    queue = _of(rows, "queue")
    return {
        "name": "queue",
        "kind": "area",
        "title": "Copies that wait to be sent",
        "series": [_series("waiting", "solid", queue)],
        "summary": f"Now {counted(_last(queue), 'copy waits', 'copies wait')}; at most {_most(queue)}"
        f" in the last {KEPT} minutes.",
    }


def _wait(rows: Rows) -> dict[str, Any]:
    oldest = _of(rows, "oldest")
    return {
        "name": "oldest",
        "kind": "area",
        "title": "How long the oldest is overdue",
        "series": [_series("overdue", "solid", oldest)],
        "shown": [[None if value is None else lasting(value) for value in oldest]],
        "most": lasting(_most(oldest)),
        "summary": f"Now {lasting(_last(oldest))}; at most {lasting(_most(oldest))} in the last {KEPT} minutes.",
    }


def _delivery(rows: Rows) -> dict[str, Any]:
    good, bad, other = _of(rows, "delivered"), _of(rows, "failed"), _of(rows, "other")
    ended = _sum(good) + _sum(bad) + _sum(other)
    share = f"{100 * _sum(good) / ended:.1f} %" if ended else ""
    told = f"{share} of {counted(ended, 'copy', 'copies')} delivered" if ended else "No copy came to its end"
    return {
        "name": "delivery",
        "kind": "stack",
        "title": "How copies ended, per minute",
        "series": [
            _series("delivered", "solid", good),
            _series("not delivered", "hatched", bad),
            _series("not known, or canceled", "open", other),
        ],
        "summary": f"{told} in the last {KEPT} minutes{f'; {_sum(bad)} not delivered' if _sum(bad) else ''}.",
    }


def _series(label: str, look: str, values: list[float | None]) -> dict[str, Any]:
    return {"label": label, "look": look, "values": values}


def _of(rows: Rows, name: str) -> list[float | None]:
    return [row[name] for _, row in rows]


def _sum(values: list[float | None]) -> int:
    return int(sum(value or 0 for value in values))


def _most(values: list[float | None]) -> int:
    return int(max((value or 0 for value in values), default=0))


def _last(values: list[float | None]) -> int:
    known = [value for value in values if value is not None]
    return int(known[-1]) if known else 0


def _written(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
