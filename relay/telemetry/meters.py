"""What relay counts as it happens: each counter and histogram, bumped at one place, read by `GET /metrics`.

A bump is some dictionary look-ups in memory: nothing is written, and nobody is asked.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from http import HTTPStatus
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.metrics_core import Metric as Family

from relay.domain.announcements import Announcement
from relay.domain.states import State
from relay.telemetry.metrics import METRICS

OTHER = "other"  # the label in place of one that is not known: whoever calls relay cannot make series
IN, OUT, RECEIVED = "in", "out", "received"
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_HOOK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_ENDS = tuple(dict.fromkeys(state.status.value for state in State if state.final))
_STATUSES = frozenset(status.value for status in HTTPStatus)
_KINDS = frozenset({"result", "receipt", "message", "dead"})

Watch = Callable[[str, str, str, float], None]
M = TypeVar("M", Counter, Histogram)


class Meters:
    """Everything that is counted. Safe to use on any thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._messages = self._counter("relay_messages_total")
        self._accepted = self._counter("relay_accepted_messages_total")
        self._commands = self._counter("relay_commands_total")
        self._published = self._counter("relay_published_events_total")
        self._hooks = self._counter("relay_webhook_requests_total")
        self._hook_seconds = self._histogram("relay_webhook_request_duration_seconds", _HOOK_SECONDS)
        self._call_seconds = self._histogram("relay_provider_request_duration_seconds", _CALL_SECONDS)
        self._commit_seconds = self._whole("relay_journal_commit_duration_seconds", _COMMIT_SECONDS)

    def published(self, event: Announcement, lines: Collection[str]) -> None:
        """An event is on the bus. `lines`: those of the settings."""
        line, body = event.line if event.line and event.line in lines else OTHER, event.body
        self._published.labels(event.kind if event.kind in _KINDS else "event").inc()
        if event.kind == "message":
            self._messages.labels(IN, line, RECEIVED).inc()
        elif event.kind == "receipt" and body["final"] and not body["late"]:
            self._messages.labels(OUT, line, body["status"]).inc()
        elif event.kind == "result":
            self._answered(line, event)

    def _answered(self, line: str, event: Announcement) -> None:
        body = event.body
        error = body.get("error")
        self._commands.labels(line, body["outcome"], error["code"] if error else "").inc()
        if body["outcome"] != "accepted" or body.get("replayed"):
            return
        failed = sum(copy["status"] == "failed" for copy in body["copies"])
        self._accepted.labels(line).inc(len(body["copies"]) - failed)
        if failed:
            # No receipt follows for what was refused at once.
            self._messages.labels(OUT, line, "failed").inc(failed)

    def hook(self, line: str | None, outcome: str, seconds: float | None = None) -> None:
        """A caller of the web-hook listener was answered.

        Args:
            line: whose hook it was; None: nobody knows, and its caller could have named any.
            outcome: in a word.
            seconds: that a hook took that was kept.
        """
        self._hooks.labels(line or "", outcome).inc()
        if seconds is not None:
            self._hook_seconds.labels(line or "").observe(seconds)

    def calls(self, line: str, names: Mapping[tuple[str, str], str]) -> Watch:
        """What is told of every request of a line: its method, path, code and seconds.

        `names`: what each method and path is called.
        """
        self._begin(line)

        def seen(method: str, path: str, code: str, seconds: float) -> None:
            operation = names.get((method, path), OTHER)
            self._call_seconds.labels(line, operation, _code(code)).observe(seconds)

        return seen

    def _begin(self, line: str) -> None:
        """Show 0 where nothing was counted yet: what appears with 1 is no increase to Prometheus."""
        self._accepted.labels(line)
        self._messages.labels(IN, line, RECEIVED)
        for outcome in _ENDS:
            self._messages.labels(OUT, line, outcome)
        for outcome in ("kept", "refused"):
            self._hooks.labels(line, outcome)

    def commit(self, seconds: float) -> None:
        """The journal has committed."""
        self._commit_seconds.observe(seconds)

    def collect(self) -> Iterator[Family]:
        """All of it, without the library's second gauge for each counter, which says when it was made."""
        for family in self._registry.collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family

    def _counter(self, name: str) -> "_Series[Counter]":
        return _Series(Counter(name, METRICS[name].help, METRICS[name].names, registry=self._registry))

    def _histogram(self, name: str, buckets: tuple[float, ...]) -> "_Series[Histogram]":
        return _Series(self._whole(name, buckets))

    def _whole(self, name: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, METRICS[name].help, METRICS[name].names, buckets=buckets, registry=self._registry)


class _Series(Generic[M]):
    """A metric's series: each is looked up once, because the library takes longer for that than for counting."""

    def __init__(self, metric: M) -> None:
        self._metric: M = metric
        self._known: dict[tuple[str, ...], M] = {}

    def labels(self, *values: str) -> M:
        """The series with these labels."""
        series = self._known.get(values)
        if series is None:
            series = self._known[values] = self._metric.labels(*values)
        return series


def _code(code: str) -> str:
    """The label for a code: a status that HTTP does not know is one of its class."""
    if code.isdecimal() and int(code) not in _STATUSES:
        return f"{code[0]}xx"
    return code
