"""What the documentation names is there: pages, headings, files, settings, topics, log events, metrics, codes."""

import re
from collections import deque
from pathlib import Path

import pytest

from relay.domain.errors import ErrorCode
from relay.interface.channels import CHANNELS
from relay.telemetry.catalogue import CATALOGUE
from relay.telemetry.metrics import METRICS
from tests.documents.pages import PAGES, Page
from tests.repo.sources import ROOT
from tests.repo.test_operators_pages import events
from tests.repo.test_rules_pages import MODELS, is_setting, named_settings, source

BY_NAME = {page.name: page for page in PAGES}
INDEX = BY_NAME["docs/README.md"]
FOLDERS = "config|docs|examples|monitoring|packaging|relay|schemas|scripts|systemd|tests"
# What making a package leaves, and what only a relay that ran has.
MADE = ("dist/", "tests/data/released/v1/")
# Of an error, where it comes from the provider: spelled as events are.
FIELDS = {"provider.code", "provider.text"}
TOPICS = {channel.address for channel in CHANNELS if channel.address}
ALL_PAGES = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def target(page: Page, link: str) -> tuple[Path, str]:
    """The file that a link leads to, and the heading."""
    file, _, heading = link.partition("#")
    return (page.path.parent / file).resolve() if file else page.path, heading


@ALL_PAGES
def test_every_link_leads_somewhere(page: Page) -> None:
    """To a file that is there, and to a heading on it."""
    for link in page.links:
        if not re.match(r"[a-z]+:", link):
            path, heading = target(page, link)
            assert path.exists(), link
            if heading:
                assert heading in BY_NAME[path.relative_to(ROOT).as_posix()].anchors, link


def test_every_page_is_reached_from_the_index() -> None:
    """By links alone, and the index from the README."""
    seen, ahead = {INDEX.path}, deque([INDEX])
    while ahead:
        page = ahead.popleft()
        for path, _ in (target(page, link) for link in page.links if not re.match(r"[a-z]+:", link)):
            if path.suffix == ".md" and path not in seen:
                seen.add(path)
                ahead.append(BY_NAME[path.relative_to(ROOT).as_posix()])
    unreached = [page.name for page in PAGES if page.name.startswith("docs/") and page.path not in seen]
    assert unreached == []
    assert INDEX.path in {target(BY_NAME["README.md"], link)[0] for link in BY_NAME["README.md"].links}


@ALL_PAGES
def test_every_file_that_is_named_is_there(page: Page) -> None:
    """By its place in the project."""
    named = {name for name in page.spoken if re.fullmatch(rf"(?:{FOLDERS})/[\w./@-]*\w/?", name)}
    files = {name for name in named if not is_topic(name)}
    assert [name for name in sorted(files) if not (ROOT / name).exists() and not name.startswith(MADE)] == []


@ALL_PAGES
def test_every_setting_that_is_named_exists(page: Page) -> None:
    """In relay's tables, or in some line's."""
    of_lines = {name for name in page.spoken if re.fullmatch(r"lines\.[a-zA-Z]+\.\w+", name)}
    # A key of a certificate is handed over as a credential, under the setting's name and the ending of its file.
    wrong = {name for name in of_lines if not is_setting(name.split(".")[2]) and not secret(name.split(".")[2])}
    plain = {name for name in named_settings(page.text) if not name.startswith("lines.") and not is_file(name)}
    unknown = {name for name in plain if not is_setting(name) and not secret_of_table(name)}
    assert sorted(wrong | (unknown - CATALOGUE.keys() - METRICS.keys())) == []


def secret(key: str) -> bool:
    """Whether a line has a secret of this name: its settings have the name of its file."""
    return any(f"{key}_file" in model.model_fields or key in model.model_fields for model in MODELS.values())


def secret_of_table(name: str) -> bool:
    """Whether a table has one: `bus.password` is in the file that `bus.password_file` names."""
    return is_setting(f"{name}_file")


def is_topic(name: str) -> bool:
    """Whether this is a topic, or a filter for topics, and not a file."""
    return name.startswith(("relay/line", "relay/node", "relay/dead")) and not (ROOT / name).exists()


def heard(name: str) -> bool:
    """Whether something is published where this topic, or filter, or pattern with names in brackets, leads."""
    if "[" in name:
        return heard(re.sub(r"\[.*\]", "", name)) and heard(re.sub(r"[\[\]]", "", name))
    levels = (f"{name}#" if name.endswith("/") else name).split("/")
    return any(_fits(levels, address.split("/")) for address in TOPICS)


def _fits(levels: list[str], address: list[str]) -> bool:
    if levels[-1:] == ["#"]:
        return all(_same(*pair) for pair in zip(levels[:-1], address, strict=False)) and len(levels) - 1 <= len(address)
    return len(levels) == len(address) and all(_same(*pair) for pair in zip(levels, address, strict=True))


def _same(level: str, own: str) -> bool:
    return level == own or own.startswith("{") or level in {"+", "#"} or bool(re.fullmatch(r"<\w+>|[A-Z]+", level))


@ALL_PAGES
def test_every_topic_that_is_named_is_one_of_relays(page: Page) -> None:
    """As the interface has them."""
    named = {name.split()[0] for name in page.spoken if is_topic(name.split()[0])}
    assert [name for name in sorted(named) if not heard(name)] == []


@ALL_PAGES
def test_every_log_event_that_is_named_exists(page: Page) -> None:
    """Whoever looks for it in the log finds it."""
    found = {name for name in events(page.text) if not is_file(name) and not of_a_span(name)} - FIELDS
    assert sorted(found - CATALOGUE.keys() - METRICS.keys()) == []


def of_a_span(name: str) -> bool:
    """Whether a trace has this: an attribute is named `relay.` and as the stages tell it."""
    return name.startswith("relay.") and re.search(rf"\b{name.removeprefix('relay.')}=", source()) is not None


def is_file(name: str) -> bool:
    """Whether a dotted name is a file's, a credential's or a unit's."""
    return name.endswith((".py", ".md", ".toml", ".sock", ".db", ".conf", ".service", ".socket", ".json", ".yml"))


@ALL_PAGES
def test_every_metric_that_is_named_exists(page: Page) -> None:
    """docs/metrics.md has them all."""
    named = {name for name in page.spoken if re.fullmatch(r"relay_[a-z_]+", name)}
    assert sorted(named - METRICS.keys()) == []


@pytest.mark.parametrize("name", ["relay/line/alerts/sand", "relay/node/+/mood", "relay/line/<line>/result/shop/2"])
def test_a_topic_of_nobody_is_found(name: str) -> None:
    """The check can fail."""
    assert is_topic(name)
    assert not heard(name)
    assert heard("relay/line/+/event/opt-out")
    assert heard("relay/line/alerts/#")


def test_names_are_found() -> None:
    """A search that finds nothing proves nothing."""
    spoken = {name for page in PAGES for name in page.spoken}
    assert {code.value for code in ErrorCode} <= spoken
    assert sum(len(page.links) for page in PAGES) > 100
    assert len([name for name in spoken if is_topic(name)]) > 20
