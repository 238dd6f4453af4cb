"""`/metrics` of a whole relay with traffic: what promtool says, and whether rules and dashboard ask for what is there.

One relay is run and scraped once; every test reads that page.
"""

import asyncio
import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from relay.telemetry.metrics import METRICS
from tests.brokers import free_port
from tests.system.inhouse import DESK, OFFICE, WITHIN, at_home
from tests.system.world import ROOT, World

MONITORING = ROOT / "monitoring"
RULES = MONITORING / "prometheus-rules.yml"
DASHBOARD = MONITORING / "grafana-dashboard.json"
ALERTS = """
[lines.alerts]
provider = "att-sms"
base_url = "{att}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "{directory}/app_secret"
calls_per_month = 50000
"""
FRIEND, STRANGER = "+12065550101", "+12065550107"
TEXT = "a text that nobody is to find in a metric"
# Only where the journal is in PostgreSQL: tests/unit/web/test_metrics.py has it.
NOT_HERE = {"relay_spool_hooks"}
# What Prometheus adds to everything it scrapes.
OF_THE_SCRAPE = {"job", "instance"}


@dataclass(frozen=True)
class Page:
    """What was scraped: the text, and each sample's name with its labels and value."""

    text: str
    samples: list[tuple[str, dict[str, str], float]]

    def of(self, name: str, **labels: str) -> float:
        """The sum of the samples with these labels."""
        found = [value for one, has, value in self.samples if one == name and labels.items() <= has.items()]
        assert found, (name, labels)
        return sum(found)

    def labels(self) -> dict[str, set[str]]:
        """The labels that each name is shown with."""
        found: dict[str, set[str]] = defaultdict(set)
        for name, labels, _ in self.samples:
            found[name] |= labels.keys()
        return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A relay with three lines, one text at least in each direction, and callers who are turned away."""
    text = asyncio.run(_scraped(tmp_path_factory.mktemp("m")))
    families = text_string_to_metric_families(text)
    return Page(text, [(one.name, dict(one.labels), one.value) for family in families for one in family.samples])


async def _scraped(directory: Path) -> str:
    with capture_logs() as logged:
        async with at_home(directory, free_port, lines=DESK + OFFICE + ALERTS, speed=120.0) as made:
            await _traffic(made)
            [port] = [one["port"] for one in logged if one.get("setting") == "admin.listen"]
            async with aiohttp.ClientSession() as http, asyncio.timeout(WITHIN):
                # What the subscriber has heard is counted once the broker has confirmed it.
                while True:
                    async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
                        assert answer.status == 200
                        text = await answer.text()
                    if 'relay_published_events_total{kind="result"} 3.0' in text:
                        return text


async def _traffic(made: World) -> None:
    await made.hooked()
    made.text_in(FRIEND, "+12065550100", TEXT)
    for line in ("alerts", "office"):
        await made.publish(f"relay/line/{line}/send/shop", {"id": f"m-{line}", "to": [FRIEND, STRANGER], "text": TEXT})
    for line in ("alerts", "office"):
        result = await made.ears.result(f"m-{line}")
        await made.ears.final(result["message_id"], 2)
    await made.publish("relay/line/alerts/send", {"id": "m-bad", "to": [FRIEND], "texts": TEXT})
    await made.ears.result("m-bad")
    async with aiohttp.ClientSession() as anybody, anybody.post(f"{made.hooks}/hooks/office/guessed/receive") as answer:
        assert answer.status == 404
    texts = lambda: any(one["data"]["text"] == TEXT for one in made.ears.events("message"))  # noqa: E731 - asked again
    await made.ears.until(texts, what="the text came in")
    await made.ears.until(
        lambda: _states(made, "desk")[-1:] == ["ready"], what="the subscriber's messages are followed"
    )


def _states(made: World, line: str) -> list[str]:
    return [body["state"] for topic, body in made.ears.heard if topic == f"relay/line/{line}/status"]


def promtool(*words: str | Path, given: str = "") -> tuple[int, str]:
    """Prometheus' own tool: its exit code, and what it said. `make tools` brings it."""
    done = subprocess.run(["promtool", *map(str, words)], input=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_promtool_finds_nothing_wrong(page: Page) -> None:
    """Types, names, units and helps are as Prometheus wants them."""
    assert promtool("check", "metrics", given=page.text) == (0, "")
    code, said = promtool("check", "metrics", given="# TYPE relayTexts counter\nrelayTexts 1\n")
    assert (code, "camelCase" in said) == (3, True), said


def test_what_is_shown_is_what_the_list_says(page: Page) -> None:
    """Every metric of the list, with its labels and no other; and none that is not on it."""
    shown = {_family(name): labels - {"le"} for name, labels in page.labels().items() if name.startswith("relay_")}
    assert shown == {name: set(one.names) for name, one in METRICS.items() if name not in NOT_HERE}
    kinds = dict(re.findall(r"^# TYPE (relay_\S+) (\S+)", page.text, re.MULTILINE))
    assert kinds == {name: _kind(one.kind) for name, one in METRICS.items() if name not in NOT_HERE}


def test_what_happened_was_counted(page: Page) -> None:
    """Once each, at its place."""
    out = {"direction": "out", "outcome": "delivered"}
    assert [page.of("relay_messages_total", line=line, **out) for line in ("alerts", "office")] == [2, 2]
    assert page.of("relay_messages_total", line="office", direction="in", outcome="received") >= 1
    assert [page.of("relay_accepted_messages_total", line=line) for line in ("alerts", "office")] == [2, 2]
    assert page.of("relay_commands_total", outcome="accepted", code="") == 2
    assert page.of("relay_commands_total", line="alerts", outcome="rejected", code="invalid_request") == 1
    assert page.of("relay_webhook_requests_total", line="", outcome="not_found") == 1
    kept = page.of("relay_webhook_requests_total", line="office", outcome="kept")
    assert kept == page.of("relay_webhook_request_duration_seconds_count", line="office") >= 1
    assert page.of("relay_provider_request_duration_seconds_count", operation="send_sms_v3", code="201") == 1
    assert page.of("relay_journal_commit_duration_seconds_count") >= 10


def test_how_everything_stands_is_shown(page: Page) -> None:
    """The bus, the disk, the budget, the consent, the clocks."""
    assert page.of("relay_mqtt_connected") == page.of("relay_mqtt_listening") == 1
    assert 0 < page.of("relay_disk_free_bytes", volume="journal") <= page.of("relay_disk_size_bytes", volume="journal")
    assert page.of("relay_budget_calls_limit", line="alerts") == 50000
    assert 1 <= page.of("relay_budget_calls_spent", line="alerts") < 50000
    assert page.of("relay_consent_given", line="desk") == 1
    assert page.of("relay_consent_expiry_timestamp_seconds", line="desk") > page.of(
        "relay_token_expiry_timestamp_seconds", line="desk"
    )
    left, every = (page.of(name, line="alerts") for name in ("relay_loss_clock_seconds", "relay_poll_interval_seconds"))
    assert 1800 - 2 * every < left <= 1800
    assert page.of("relay_line_part_ready", line="office", part="hooks") == 1
    assert page.of("relay_turn_held", turn="line:desk") == 1
    assert page.of("process_resident_memory_bytes") > 1e7


def test_no_label_is_a_number_an_id_a_text_or_a_client(page: Page) -> None:
    """Labels are aliases and words of relay's own; there are few series for a line."""
    values = {value for name, labels, _ in page.samples for key, value in labels.items() if key != "le"}
    assert not [one for one in values if re.search(r"\d{5}|[0-9a-f]{8}-", one)]
    assert not {"shop", TEXT, FRIEND, "m-bad"} & values
    assert len(page.samples) < 900


@dataclass(frozen=True)
class Query:
    """A question to Prometheus, where it stands, and what its series are called by."""

    where: str
    text: str
    legend: str = ""

    @property
    def plain(self) -> str:
        """Without what stands in quotes, and with values for Grafana's variables."""
        return re.sub(r'"[^"]*"', '""', self.filled)

    @property
    def filled(self) -> str:
        """As Prometheus gets it."""
        return self.text.replace("$__rate_interval", "5m").replace("$line", ".*")

    @property
    def selectors(self) -> list[tuple[str, set[str]]]:
        """Each metric with the labels that it is chosen by."""
        found = re.findall(r"\b((?:relay|process)_\w+|up|ALERTS)\b(?:\{([^}]*)\})?", self.plain)
        return [(name, set(re.findall(r"(\w+)\s*[=!]", chosen))) for name, chosen in found]

    @property
    def grouped(self) -> set[str]:
        """The labels of `by`, `on` and the legend."""
        groups = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", self.plain)
        return {label for group in groups for label in re.findall(r"\w+", group)} | set(
            re.findall(r"\{\{\s*(\w+)\s*\}\}", self.legend)
        )


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[Query]:
    """Every question of the rules and of the dashboard."""
    for rule in rules():
        notes = rule["annotations"]
        # What it is told of a series, the alert's own label and the value left out.
        words = re.sub(r"\$labels\.(\w+)", r"\1", notes["summary"] + notes["description"])
        yield Query(rule["alert"], rule["expr"], words)
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield Query(panel["title"], target["expr"], target["legendFormat"])
    for note in board["annotations"]["list"]:
        yield Query(note["name"], note["expr"])


def lacks(query: Query, shown: dict[str, set[str]]) -> list[str]:
    """What a question names and nothing shows."""
    everywhere = {
        **shown,
        **{name: set(METRICS[name].names) for name in NOT_HERE},
        "up": set(),
        "ALERTS": {"alertname", "alertstate", "line"},
    }
    missing = [name for name, _ in query.selectors if name not in everywhere]
    known = {name: everywhere.get(name, set()) | OF_THE_SCRAPE for name, _ in query.selectors}
    missing += [f"{name}{{{label}}}" for name, labels in query.selectors for label in labels - known[name]]
    return missing + sorted(query.grouped - {label for labels in known.values() for label in labels})


def test_every_query_asks_for_what_is_there(page: Page) -> None:
    """The metrics, and the labels that they are chosen, grouped and called by."""
    shown = page.labels()
    asked = list(queries())
    assert len(asked) > 50
    assert {query.where: lacks(query, shown) for query in asked if lacks(query, shown)} == {}
    assert all(query.selectors for query in asked)


def test_a_query_for_what_is_not_there_is_found(page: Page) -> None:
    """The check can fail: a metric, a label in braces, one in a group, one in a legend."""
    wrong = Query("x", 'sum by (peer) (rate(relay_gone{line="a"}[5m])) / relay_journal_full{line!~"a"}', "{{id}}")
    assert lacks(wrong, page.labels()) == ["relay_gone", "relay_gone{line}", "relay_journal_full{line}", "id", "peer"]


def test_every_metric_can_be_seen(page: Page) -> None:
    """Each is asked for by the dashboard or by an alert, but for those that repeat what others say."""
    asked = {_family(name) for query in queries() for name, _ in query.selectors}
    assert METRICS.keys() - asked == {"relay_provider_last_success_timestamp_seconds", "relay_consent_given"}


def test_prometheus_takes_every_query(tmp_path: Path) -> None:
    """Its own parser reads them all."""
    recorded = [{"record": f"q:{place}", "expr": query.filled} for place, query in enumerate(queries())]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": recorded}]}))
    code, said = promtool("check", "rules", path)
    assert (code, f"{len(recorded)} rules found" in said) == (0, True), said
    path.write_text(path.read_text() + "- record: wrong\n  expr: sum by (\n")
    assert promtool("check", "rules", path)[0] != 0


def test_every_alert_fires_when_it_should_and_not_before() -> None:
    """As prometheus-rules.test.yml has it, which has each."""
    assert promtool("check", "rules", RULES)[0] == 0
    path = MONITORING / "prometheus-rules.test.yml"
    code, said = promtool("test", "rules", path)
    assert code == 0, said
    asked = [
        [set(re.findall(r'alertname="(\w+)"', sample["labels"])) for sample in one.get("exp_samples") or ()]
        for test in yaml.safe_load(path.read_text())["tests"]
        for one in test["promql_expr_test"]
    ]
    assert {name for one in asked for names in one for name in names} == {rule["alert"] for rule in rules()}


def test_the_settings_of_prometheus_on_the_page_are_good(tmp_path: Path) -> None:
    """With the rules beside them, as the page says."""
    [settings] = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(settings)
    (tmp_path / RULES.name).write_text(RULES.read_text())
    code, said = promtool("check", "config", tmp_path / "prometheus.yml")
    assert (code, f"{len(rules())} rules found" in said) == (0, True), said


def test_an_alert_that_would_not_fire_is_found(tmp_path: Path) -> None:
    """The check can fail."""
    for name in (RULES.name, "prometheus-rules.test.yml"):
        text = (MONITORING / name).read_text()
        (tmp_path / name).write_text(text.replace("relay_in_doubt_messages) > 0", "relay_in_doubt_messages) > 3"))
    code, said = promtool("test", "rules", tmp_path / "prometheus-rules.test.yml")
    assert (code, "RelayInDoubt" in said) == (1, True)


def test_a_relay_in_order_rings_no_alarm(page: Page, tmp_path: Path) -> None:
    """All that it shows, as it is, for an hour; where one number is another, the alert that is about it fires."""
    path = tmp_path / "healthy.test.yml"
    path.write_text(yaml.safe_dump(_for_an_hour(page, {}, [])))
    assert promtool("test", "rules", path) == (0, _SUCCESS.format(path))
    full = [{"labels": '{alertname="RelayJournalFull"}', "value": 1}]
    path.write_text(yaml.safe_dump(_for_an_hour(page, {"relay_journal_full": 1.0}, full)))
    assert promtool("test", "rules", path) == (0, _SUCCESS.format(path))


_SUCCESS = "Unit Testing:  {}\n  SUCCESS\n\n"


def _for_an_hour(page: Page, instead: dict[str, float], firing: list[dict[str, Any]]) -> dict[str, Any]:
    """What promtool is to play, and which alerts are to fire in the end."""
    scraped = [*page.samples, ("up", {}, 1.0)]
    series = []
    for name, labels, value in scraped:
        chosen = ", ".join(f'{key}="{of}"' for key, of in {**labels, "job": "relay", "instance": "a"}.items())
        series.append({"series": f"{name}{{{chosen}}}", "values": f"{instead.get(name, value):f}x60"})
    asked = {"expr": 'max by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "1h", "exp_samples": firing}
    played = {"interval": "1m", "input_series": series, "promql_expr_test": [asked]}
    return {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [played]}


def test_the_panels_of_the_dashboard_lie_side_by_side() -> None:
    """Each has an id and a title of its own, and none covers another."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    fields = [
        (x, y)
        for grid in (panel["gridPos"] for panel in panels)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(fields) == len(set(fields))
    assert max(x for x, _ in fields) < 24


def _family(name: str) -> str:
    """The metric that a sample belongs to."""
    short = re.sub(r"_(bucket|count|sum)$", "", name)
    return short if short in METRICS else name


def _kind(kind: str) -> str:
    return "gauge" if kind == "info" else kind
