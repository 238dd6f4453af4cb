"""Each alert has its page and each page its alert, and each page its parts."""

import re
from typing import Any

import pytest
import yaml

from tests.repo.sources import ROOT

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
