"""The list of metrics keeps to the field's rules, and its page has all of them."""

import re

import pytest

from relay.telemetry.metrics import METRICS, as_markdown

# What may be a label: words of relay's, and the line's alias.
LABELS = {"line", "direction", "outcome", "code", "kind", "status", "state", "part", "operation", "volume", "turn"}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_named_as_the_field_names_them(name: str) -> None:
    """Small letters, the base unit last; `_total` is a counter's and `_info` a constant's."""
    kind = METRICS[name].kind
    assert re.fullmatch(r"relay(_[a-z]+)+", name)
    assert (kind == "counter") == name.endswith("_total")
    assert (kind == "info") == name.endswith("_info")
    assert not re.search(r"_(ms|minutes|hours|kb|mb|percent)(_|$)", name)


@pytest.mark.parametrize("name", METRICS)
def test_a_label_is_an_alias_or_a_word_of_relays(name: str) -> None:
    """Never a number, an id, a text, a topic or a client."""
    assert set(METRICS[name].names) <= LABELS | ({"version", "python"} if name == "relay_build_info" else set())
    assert METRICS[name].meaning.endswith(".")


def test_what_nodes_share_says_so_to_prometheus() -> None:
    """Whoever adds it up is told not to."""
    assert "max by (line)" in METRICS["relay_queue_messages"].help
    assert "max by (line)" not in METRICS["relay_journal_full"].help


def test_the_page_has_each_metric_once() -> None:
    """With its labels."""
    rows = re.findall(r"^\| `(relay_\w+)` \| (\w+)[^|]*\| ([^|]*) \|", as_markdown(), re.MULTILINE)
    assert {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows} == {
        name: (one.kind, list(one.names)) for name, one in METRICS.items()
    }
    assert len(rows) == len(METRICS)
