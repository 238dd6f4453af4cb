"""Every metric of `GET /metrics`: its type, labels and meaning. What is shown, and its page, are made from here.

No number, id, text, topic or client is ever a label: a line's alias, and words of relay's own, are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_SHARED = "The same on every node of a journal: take max by (line)."


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        kind: `counter`, `gauge`, `histogram` or `info`.
        labels: their names, in order, separated by spaces.
        meaning: in words.
        is_shared: nodes that share a journal all show the same: it is not to be added up.
    """

    kind: str
    labels: str
    meaning: str
    is_shared: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The labels' names."""
        return tuple(self.labels.split())

    @property
    def help(self) -> str:
        """What Prometheus is told."""
        return f"{self.meaning} {_SHARED}" if self.is_shared else self.meaning


def _shared(labels: str, meaning: str) -> Metric:
    return Metric("gauge", labels, meaning, is_shared=True)


_FLOW = {
    "relay_messages_total": Metric(
        "counter",
        "direction line outcome",
        "Texts, counted once their end was published: in, received; out, each copy by its final status.",
    ),
    "relay_accepted_messages_total": Metric("counter", "line", "Copies that commands asked for and relay took."),
    "relay_commands_total": Metric(
        "counter", "line outcome code", "Commands answered, by the result's outcome and error code (empty: none)."
    ),
    "relay_published_events_total": Metric("counter", "kind", "Events that the broker has confirmed."),
}
_QUEUE = {
    "relay_queue_messages": _shared("line status", "Copies that have not been handed to the provider yet."),
    "relay_queue_oldest_age_seconds": _shared(
        "line",
        "For how long the oldest copy that could be sent has waited: since it was due, or, if it was tried more than"
        " once, since it was accepted.",
    ),
    "relay_in_doubt_messages": _shared("line", "Copies of which nobody knows whether the provider took them."),
    "relay_followed_messages": _shared("line status", "Copies that were handed over and have no final status yet."),
    "relay_set_aside": _shared("kind", "Things that wait for a person: relay dead list."),
    "relay_unpublished_events": _shared("", "Events that wait for the bus."),
    "relay_unpublished_oldest_age_seconds": _shared("", "For how long the oldest event has waited for the bus."),
}
_LINES = {
    "relay_line_state": Metric("gauge", "line state", "1 for the state that a line is in, 0 for the others."),
    "relay_line_part_ready": Metric(
        "gauge", "line part", "1 while this part of a line is in order, as this node has last seen it."
    ),
    "relay_line_held": _shared("line", "1 while an operator holds the line: relay queue hold."),
    "relay_circuit_open": Metric("gauge", "line", "1 while a line sends nothing, as nobody answers it."),
    "relay_budget_calls_spent": _shared("line", "Calls made in this calendar month, UTC, where they are limited."),
    "relay_budget_calls_limit": _shared("line", "Calls that may be made in a calendar month, where they are limited."),
    "relay_budget_short": _shared(
        "line", "1 while the month's budget of calls will be used up too early at the present rate, or nearly is."
    ),
}
_PROVIDERS = {
    "relay_provider_request_duration_seconds": Metric(
        "histogram",
        "line operation code",
        "Requests to the provider, from the first byte to the whole answer. The code is the HTTP status, or"
        " unreachable (nothing was written) or uncertain (no full answer came).",
    ),
    "relay_provider_last_success_timestamp_seconds": Metric(
        "gauge", "line", "When the provider last served the line, or called it; as this node has seen it."
    ),
    "relay_provider_last_poll_success_timestamp_seconds": Metric(
        "gauge", "line", "When the inbox, or the message store, was last read; shown by the node whose turn it is."
    ),
    "relay_poll_interval_seconds": Metric("gauge", "line", "How often the inbox, or the message store, is read."),
    "relay_loss_clock_seconds": Metric(
        "gauge",
        "line",
        "Seconds until the provider begins to discard texts that were not fetched; shown by the node whose turn it is.",
    ),
    "relay_token_expiry_timestamp_seconds": Metric("gauge", "line", "When the access token in use expires."),
    "relay_consent_given": _shared("line", "1 while the subscriber's consent holds."),
    "relay_consent_expiry_timestamp_seconds": _shared(
        "line", "Until when the subscriber's consent can be renewed without asking again."
    ),
}
_HOOKS = {
    "relay_webhook_requests_total": Metric(
        "counter",
        "line outcome",
        "Requests to the web-hook listener: kept, refused (503) or turned away, and why; no line where none was named.",
    ),
    "relay_webhook_request_duration_seconds": Metric(
        "histogram", "line", "Web hooks that were kept, from the request's head to the answer."
    ),
}
_NODE = {
    "relay_mqtt_connected": Metric("gauge", "", "1 while events can be published."),
    "relay_mqtt_listening": Metric(
        "gauge", "", "1 while commands are heard: of several nodes by one, whose turn the bus is."
    ),
    "relay_journal_full": Metric("gauge", "", "1 while the journal takes nothing new, for its disk's sake."),
    "relay_journal_commit_duration_seconds": Metric("histogram", "", "The journal's commits, with their sync."),
    "relay_spool_hooks": Metric("gauge", "", "Web hooks that wait for the journal in this node's spool."),
    "relay_disk_free_bytes": Metric("gauge", "volume", "Bytes left for relay's user where this is kept."),
    "relay_disk_size_bytes": Metric("gauge", "volume", "Bytes of the file system where this is kept."),
    "relay_turn_held": Metric("gauge", "turn", "1 for each turn that this node has: the bus, the upkeep, a line."),
    "relay_build_info": Metric("info", "version python", "Always 1: which relay this is, on which Python."),
}
_CHAPTERS = {
    "Flow": _FLOW,
    "What waits": _QUEUE,
    "Lines": _LINES,
    "Providers": _PROVIDERS,
    "Web hooks": _HOOKS,
    "The node": _NODE,
}
METRICS: Mapping[str, Metric] = {name: one for chapter in _CHAPTERS.values() for name, one in chapter.items()}

_OPENING = """# Metrics

Made from `relay/telemetry/metrics.py`; change that file, then this page by

```sh
python -c "from relay.telemetry.metrics import as_markdown; print(as_markdown(), end='')" > docs/metrics.md
```

`GET /metrics` on `admin.listen` has them in Prometheus' words. No number, id, text, topic or client is ever a label. A
line's label is its alias; where a count belongs to no line of the settings, it is `other`. The number of series is
bounded by the number of lines.

Counters begin at 0 with the process, and with each new life of a node. They count what this node did. What is marked
**shared** is read from the journal, at most every five seconds: all nodes of a journal show the same, so take
`max by (line)`, never a sum. What is not known is not shown: while the journal cannot be read, these are missing. The
states of a line are those that this node sees; a line's inbox is read by one node at a time.

Times are relay's own. In a lab (`[lab]`), that is the lab's time, so that `time() - ...` means nothing there.

Beside these there are the `process_*` metrics of the Prometheus client library: memory, processor time, open files and
the start time of the process.

To scrape it, with the alert rules beside it:

```yaml
scrape_configs:
  - job_name: relay
    static_configs:
      - targets: ["127.0.0.1:9464"]
rule_files:
  - prometheus-rules.yml
```

`monitoring/prometheus-rules.yml` has the alerts, each with a page in [runbooks](runbooks/README.md), and
`monitoring/grafana-dashboard.json` a dashboard: import it in Grafana, and choose the data source. The rules expect the
job to be called `relay`.
"""


def as_markdown() -> str:
    """The page about all metrics."""
    return _OPENING + "".join(_chapter(title, metrics.items()) for title, metrics in _CHAPTERS.items())


def _chapter(title: str, metrics: Iterable[tuple[str, Metric]]) -> str:
    rows = "".join(f"| `{name}` | {_kind(one)} | {_labels(one)} | {one.meaning} |\n" for name, one in metrics)
    return f"\n## {title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n{rows}"


def _kind(one: Metric) -> str:
    return f"{one.kind}, **shared**" if one.is_shared else one.kind


def _labels(one: Metric) -> str:
    return ", ".join(f"`{name}`" for name in one.names)
