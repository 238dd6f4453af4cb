"""docs/deployment.md is true: its files are there, and its numbers are the units' own."""

import re

import pytest

from relay.settings import load_settings
from tests.repo.sources import ROOT
from tests.repo.test_rules_pages import MODELS
from tests.systemd.test_units import SERVICES, UNITS, installed

__all__ = ["installed"]

PAGE = (ROOT / "docs/deployment.md").read_text()
NAMED = r"(?<![\w/.])((?:systemd|config)/[\w./@-]*\w|requirements\.lock|CHANGELOG\.md)"


def blocks(language: str) -> list[str]:
    """The examples in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_file_that_is_named_is_there() -> None:
    """Whoever copies a line finds what it copies."""
    named = set(re.findall(NAMED, PAGE))
    assert {"systemd/relay.service", "config/relay-minimal.toml", "requirements.lock"} <= named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_file_of_the_units_is_on_the_page() -> None:
    """None is there of which nobody knows what it is for."""
    files = {str(path.relative_to(ROOT)) for path in UNITS.rglob("*") if path.is_file()}
    assert files - set(re.findall(NAMED, PAGE)) == set()


def test_every_variable_is_a_setting() -> None:
    """Over the settings file that explains itself."""
    [variables] = blocks("env")
    own = dict(line.split("=", 1) for line in variables.splitlines())
    secrets = {f"RELAY_LINES__{name}": "s" for name in ("ALERTS__APP_SECRET", "OFFICE__SESSION", "DESK__APP_SECRET")}
    found = load_settings(path=ROOT / "config/relay.toml", environment={**secrets, **own}, line_models=MODELS)
    assert (found.webhooks.listen.port, found.admin.listen.port) == (8081, 9465)


@pytest.mark.parametrize("name", SERVICES)
def test_the_numbers_are_the_units_own(name: str) -> None:
    """The score, the pauses, the watchdog."""
    unit = (UNITS / name).read_text()
    score = re.search(r"judges it: ([\d.]+) with systemd (\d+)", unit)
    assert score
    assert f"says {score[1]} with systemd {score[2]}" in PAGE
    assert "two seconds after" in PAGE
    assert "RestartSec=2s" in unit
    assert "for 90 seconds" in PAGE
    assert "WatchdogSec=90s" in unit
