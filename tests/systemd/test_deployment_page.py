"""docs/deployment.md is true: its files are there, its commands exist, systemd understands its units."""

import re
from pathlib import Path

import pytest

from relay.settings import load_settings
from relay.telemetry.catalogue import CATALOGUE
from tests.repo.sources import ROOT
from tests.repo.test_rules_pages import MODELS, commands, is_setting, lacks, named_settings, spoken_of
from tests.systemd.test_units import SERVICES, UNITS, analyze, installed

__all__ = ["installed"]

PAGE = (ROOT / "docs/deployment.md").read_text()
NAMED = r"(?<![\w/.])((?:systemd|config)/[\w./@-]*\w|requirements\.lock|CHANGELOG\.md)"


def blocks(language: str) -> list[str]:
    """The examples in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


COMMANDS = sorted(
    {f"relay {words}".split("  #")[0].strip() for words in re.findall(r"/opt/relay/bin/relay ([^\n]+)", PAGE)}
    | commands(PAGE)
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command: str) -> None:
    """With every option that it is given."""
    assert lacks(command) == []


def test_every_file_that_is_named_is_there() -> None:
    """Whoever copies a line finds what it copies."""
    named = set(re.findall(NAMED, PAGE))
    assert {"systemd/relay.service", "config/relay-minimal.toml", "requirements.lock"} <= named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_file_of_the_units_is_on_the_page() -> None:
    """None is there of which nobody knows what it is for."""
    files = {str(path.relative_to(ROOT)) for path in UNITS.rglob("*") if path.is_file()}
    assert files - set(re.findall(NAMED, PAGE)) == set()


@pytest.mark.parametrize("block", blocks("ini"))
def test_systemd_understands_every_example(installed: Path, block: str) -> None:
    """As a drop-in of the service, or as the unit that it is."""
    if "[Socket]" in block:
        unit = installed / "relay.socket"
        unit.write_text(block)
    else:
        unit = installed / "relay.service"
        (installed / "relay.service.d/more.conf").write_text(block)
    found = analyze("verify", "--man=no", unit)
    assert [line for line in found.stderr.splitlines() if str(installed) in line] == []
    assert found.returncode == 0, found.stderr


def test_every_variable_is_a_setting() -> None:
    """Over the settings file that explains itself."""
    [variables] = blocks("text")
    own = dict(line.split("=", 1) for line in variables.splitlines())
    secrets = {f"RELAY_LINES__{name}": "s" for name in ("ALERTS__APP_SECRET", "OFFICE__SESSION", "DESK__APP_SECRET")}
    found = load_settings(path=ROOT / "config/relay.toml", environment={**secrets, **own}, line_models=MODELS)
    assert (found.webhooks.listen.port, found.admin.listen.port) == (8081, 9465)


def test_every_setting_and_log_event_that_is_named_exists() -> None:
    """As they are named."""
    events = {name for name in spoken_of(PAGE) if name.startswith("listener.")}
    assert events <= CATALOGUE.keys()
    assert events
    # A line's own setting is named as its credential is: with its line.
    named = {name for name in named_settings(PAGE) if not name.startswith("lines.")}
    assert [name for name in sorted(named) if not is_setting(name)] == []


def test_what_the_page_leads_to_is_there() -> None:
    """Other pages."""
    links = set(re.findall(r"\]\(([\w-]+\.md)\)", PAGE))
    assert [name for name in sorted(links) if not (ROOT / "docs" / name).exists()] == []


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
