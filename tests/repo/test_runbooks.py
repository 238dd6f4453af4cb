"""Each alert has its page and each page its alert; what the pages name is there: commands, metrics, settings."""

import re
from typing import Any

import pytest
import yaml

from relay.telemetry.catalogue import CATALOGUE
from relay.telemetry.metrics import METRICS
from tests.repo.sources import ROOT
from tests.repo.test_operators_pages import events, slug
from tests.repo.test_rules_pages import commands, is_setting, lacks, named_settings, spoken_of

FOLDER = ROOT / "docs/runbooks"
INDEX = (FOLDER / "README.md").read_text()
PAGES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.md")) if path.name != "README.md"}
PARTS = ["What it means", "Texts meanwhile", "Look", "Mend", "Afterwards"]
EVERYTHING = "\n".join((INDEX, *PAGES.values()))
RULES = (ROOT / "monitoring/prometheus-rules.yml").read_text()
ALERTS: dict[str, Any] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES)["groups"] for rule in group["rules"] if "alert" in rule
}


def test_each_alert_has_its_page_and_each_page_its_alert() -> None:
    """The alert names it by its place in the project."""
    named = {name: rule["annotations"]["runbook"] for name, rule in ALERTS.items()}
    assert named == {name: f"docs/runbooks/{name}.md" for name in PAGES}
    assert len(PAGES) > 10


def test_each_alert_says_what_it_is_about() -> None:
    """In one line, and in a few: who reads them has nothing else at hand."""
    for name, rule in ALERTS.items():
        notes = rule["annotations"]
        assert notes.keys() == {"summary", "description", "runbook"}, name
        assert len(notes["summary"]) < 80 < len(notes["description"]) < 400, name
        assert rule["labels"] == {"severity": rule["labels"]["severity"]}, name
        assert "for" in rule, name


def test_the_index_has_each_alert_with_its_severity() -> None:
    """In the order of the rules, as each page has it in its first line."""
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \|", INDEX, re.MULTILINE)
    assert [(name, link) for name, link, _ in rows] == [(name, name) for name in ALERTS]
    assert {name: word for name, _, word in rows} == {name: rule["labels"]["severity"] for name, rule in ALERTS.items()}


@pytest.mark.parametrize("name", PAGES)
def test_each_page_says_what_somebody_wants_to_know_at_night(name: str) -> None:
    """What it means, what becomes of texts, where to look, how to mend it, what to do then: always in this order."""
    page = PAGES[name]
    assert page.startswith(f"# {name}\n\n{ALERTS[name]['labels']['severity'].capitalize()}. ")
    assert re.findall(r"^## (.*)", page, re.MULTILINE) == PARTS
    look = page.partition("## Look\n")[2].partition("\n## ")[0]
    assert re.search(r"^\$ relay ", look, re.MULTILINE), "nothing to look with"
    meanwhile = page.partition("## Texts meanwhile\n")[2].partition("\n## ")[0]
    assert re.search(r"wait|lost|go on|goes on|happens", meanwhile)


@pytest.mark.parametrize("command", sorted(commands(EVERYTHING)))
def test_every_command_that_is_named_exists(command: str) -> None:
    """With every option that it is named with."""
    assert lacks(command) == []


def test_a_command_that_is_not_there_is_found() -> None:
    """The check can fail."""
    assert lacks("relay queue burn ID") == ["burn"]
    assert commands("```console\n$ relay queue burn ID\n```") == {"relay queue burn ID"}


def test_every_metric_event_and_setting_that_is_named_exists() -> None:
    """Whoever looks for it finds it."""
    metrics = {name for name in spoken_of(EVERYTHING) if name.startswith("relay_")}
    assert metrics - METRICS.keys() == set()
    assert events(EVERYTHING) - CATALOGUE.keys() == set()
    named = {name for name in named_settings(EVERYTHING) if not is_setting(name)}
    assert named - CATALOGUE.keys() == set()


@pytest.mark.parametrize("name", ["README", *PAGES])
def test_what_a_page_leads_to_is_there(name: str) -> None:
    """Other pages, and their headings."""
    text = INDEX if name == "README" else PAGES[name]
    for file, heading in re.findall(r"\]\(([^)#:]+)(?:#([^)]*))?\)", re.sub(r"\]\n?\s*\(", "](", text)):
        target = FOLDER / file
        assert target.exists(), file
        if heading:
            assert heading in {slug(one) for one in re.findall(r"^#+ (.*)", target.read_text(), re.MULTILINE)}
