"""The guide that `relay simulate` prints."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.cli.simulating import guide
from relay.providers import discover
from relay.settings import load_settings

EPOCH = datetime(2026, 11, 21, 9, tzinfo=UTC)


def snippet(text: str) -> str:
    """The settings in a guide."""
    lines = text.splitlines()
    begin = next(place for place, line in enumerate(lines) if line.startswith("["))
    end = next(place for place, line in enumerate(lines) if place > begin and not line)
    return "\n".join(lines[begin:end])


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_the_settings_that_are_printed_work_as_they_stand(tmp_path: Path, speed: float):
    """An integrator pastes them, and relay takes them."""
    for name in ("app_secret", "inapp_secret", "session"):
        (tmp_path / name).write_text("00000000-0000-0000-0000-000000000000:1\n")
        (tmp_path / name).chmod(0o600)
    pasted = '[bus]\nurl = "mqtt://127.0.0.1"\n' + snippet(guide("http://127.0.0.1:8700", speed, EPOCH))
    (tmp_path / "relay.toml").write_text(pasted)
    models = {name: provider.settings for name, provider in discover().items()}

    settings = load_settings(path=tmp_path / "relay.toml", environment={}, line_models=models)

    assert {line.base_url for line in settings.lines.values()} == {"http://127.0.0.1:8700"}
    assert (settings.lab.speed if settings.lab else 1.0) == speed


def test_fast_time_begins_where_the_simulators_does():
    """Both must agree on what time it is."""
    printed = tomllib.loads(snippet(guide("http://127.0.0.1:8700", 60, EPOCH)))
    assert datetime.fromisoformat(printed["lab"]["epoch"]) == EPOCH
