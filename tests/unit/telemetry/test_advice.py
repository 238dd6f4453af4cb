"""What is not in order is said in a sentence, with the command that helps."""

from typing import Any

import pytest

from relay.telemetry.advice import Advice, Tone, advices, line_advice, tone_of
from relay.telemetry.health import LineState

SINCE = "2026-11-21T09:00:00Z"
WELL = {"journal": "open", "reason": None}


def line(state: str = "ready", reason: str | None = None, held_at: str | None = None) -> dict[str, Any]:
    """A line as the daemon tells of it."""
    return {"state": state, "reason": reason, "since": SINCE, "held_at": held_at}


def node(**more: Any) -> dict[str, Any]:
    """A node in order, but for `more`."""
    journal = {"lines": {}, "set_aside": {"raw": 0, "uncertain": 0}} | more.pop("journal", {})
    return {"bus": {"connected": True}, "lines": {"alerts": line()}, "journal": journal, **more}


def test_nothing_is_said_where_everything_is_in_order() -> None:
    """And the tone is good."""
    assert advices(node(), WELL) == []
    assert tone_of([]) is Tone.GOOD


@pytest.mark.parametrize("state", [state.value for state in LineState if state is not LineState.READY])
def test_every_state_but_ready_is_explained(state: str) -> None:
    """In a sentence that names the line, its reason and since when."""
    advice = line_advice("alerts", line(state, "some_code"))
    assert advice is not None
    assert advice.sentence.startswith(f"line alerts is {state} (some_code) since 2026-11-21 09:00:00Z: ")
    assert advice.tone is (Tone.WARN if state == "throttled" else Tone.BAD)


def test_a_line_without_consent_names_the_login() -> None:
    """The command is for this line."""
    advice = line_advice("desk", line("consent_required"))
    assert advice is not None
    assert advice.command == "relay auth login desk"


def test_a_line_that_is_held_says_how_it_is_let_go() -> None:
    """Whatever its state is besides."""
    advice = line_advice("alerts", line(held_at=SINCE))
    sentence = "line alerts is held by an operator since 2026-11-21 09:00:00Z"
    assert advice == Advice("alerts", Tone.WARN, sentence, "relay queue release --line alerts")


@pytest.mark.parametrize(
    ("found", "readiness", "about", "words"),
    [
        (node(bus={"connected": False}), WELL, "bus", "the broker is not connected"),
        (node(), {"journal": "the disk is full", "reason": None}, "journal", "nothing new is taken: the disk is full"),
        (node(), WELL | {"reason": "commands are not heard; lines: x"}, "node", "commands are not heard"),
        (node(journal={"lines": {"a": {"copies": {"uncertain": 2}}}}), WELL, "uncertain", "of 2 copies nobody knows"),
        (node(journal={"set_aside": {"raw": 1}}), WELL, "asides", "1 thing that cannot be read set aside"),
        (node(journal={"set_aside": {"later": 3}}), WELL, "asides", "3 laters set aside"),
    ],
)
def test_each_trouble_is_told_once(found: dict[str, Any], readiness: dict[str, Any], about: str, words: str) -> None:
    """With what it is about, and a command."""
    [advice] = advices(found, readiness)
    assert (advice.about, advice.sentence[: len(words)]) == (about, words)
    assert advice.command is not None


def test_settings_that_wait_for_a_restart_are_named() -> None:
    """By their keys."""
    [advice] = advices(node(needs_restart=["bus.url", "node.name"]), WELL)
    assert advice.sentence.endswith("at the next start: bus.url, node.name")
    assert (advice.tone, advice.command) == (Tone.WARN, None)


def test_the_worst_of_several_gives_the_tone() -> None:
    """In whatever order they are told."""
    warn, bad = Advice("a", Tone.WARN, ""), Advice("b", Tone.BAD, "")
    assert tone_of([warn, bad]) is tone_of([bad, warn]) is Tone.BAD
