"""The pages for operators are true: what docs/trouble.md, keeping.md and faults.md name is there, as it is named."""

import json
import re
from typing import Any

import pytest

from relay.domain.states import Status
from relay.settings.retention import Retention
from relay.telemetry.catalogue import CATALOGUE
from relay.telemetry.health import LineState
from tests.documents.pages import slug
from tests.repo.sources import ROOT
from tests.repo.test_rules_pages import is_setting, source, spoken_of, values

PAGES = {name: (ROOT / "docs" / name).read_text() for name in ("trouble.md", "keeping.md", "faults.md")}
TROUBLE, KEEPING = PAGES["trouble.md"], PAGES["keeping.md"]
EVERYTHING = "\n".join(PAGES.values())
GRAVE = {name for name, entry in CATALOGUE.items() if {"error", "critical"} & set(entry.levels.split())}
BEGINNINGS = {name.partition(".")[0] for name in CATALOGUE}
CAUSES = ("bad_password", "not_authorized", "tls", "dns", "unreachable", "timeout", "client_id", "banned", "quota")


def blocks(language: str) -> list[Any]:
    """The examples in a language, and where each is."""
    return [
        pytest.param(block, id=f"{page}-{place}")
        for page, text in PAGES.items()
        for place, block in enumerate(re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    ]


def events(text: str) -> set[str]:
    """The log events that a page names."""
    dotted = {name for name in spoken_of(text) if re.fullmatch(r"[a-z]+(\.[a-z_]+)+", name)}
    # Boundaries, settings and files are spelled alike.
    files = {name for name in dotted if name.startswith("relay.db") or name.endswith(".md")}
    boundaries = set(re.findall(r"^\| `([a-z.]+)` \|", PAGES["faults.md"], re.MULTILINE))
    return {
        name for name in dotted - files - boundaries if name.partition(".")[0] in BEGINNINGS and not is_setting(name)
    }


def test_every_grave_event_is_explained_to_whoever_is_called_at_night() -> None:
    """What is logged as an error, or worse, has a place on the page."""
    assert GRAVE - spoken_of(TROUBLE) == set()
    assert "journal.full" in events(TROUBLE)


def test_every_lifetime_is_on_its_page_with_its_default() -> None:
    """As long as the settings say."""
    rows = dict(re.findall(r"^\| `retention\.(\w+)` \| (\d+) days \|", KEEPING, re.MULTILINE))
    defaults = {name: str(int(field.default // 86_400)) for name, field in Retention.model_fields.items()}
    assert rows == defaults


def test_every_trouble_has_its_section_in_the_first_table() -> None:
    """Whoever sees something finds where to read on."""
    led_to = set(re.findall(r"\]\(#([^)]*)\)", TROUBLE))
    sections = {slug(one) for one in re.findall(r"^## (.*)", TROUBLE, re.MULTILINE)}
    assert sections - led_to == {"what-the-interface-has-beyond-its-first-description"}


@pytest.mark.parametrize("block", blocks("json"))
def test_every_body_is_json_in_relays_words(block: str) -> None:
    """Statuses and states are those that relay has."""
    body = json.loads(block)
    assert set(values(body, "status")) <= {status.value for status in Status}
    assert set(values(body, "state")) <= {state.value for state in LineState}


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_that_is_named_is_given(cause: str) -> None:
    """As `bus.refused` says it."""
    assert f"`{cause}`" in TROUBLE
    assert f'"{cause}"' in source()


def test_a_name_of_nothing_is_no_event() -> None:
    """The check can fail."""
    assert events("`bus.vanished`") - CATALOGUE.keys() == {"bus.vanished"}
