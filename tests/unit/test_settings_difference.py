"""What is different in settings that were read again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from relay.providerkit.spec import LineSettings
from relay.settings import BadSettings, Settings, load_settings
from relay.settings.difference import Difference, difference, with_lines

Load = Callable[[str], Settings]
HEAD = '[node]\nname = "n1"\n[bus]\nurl = "mqtt://127.0.0.1:1883"\n'
FRONT = '[lines.front]\nprovider = "pigeon"\n'
BACK = '[lines.back]\nprovider = "pigeon"\n'


class Pigeon(LineSettings):
    """A provider that no folder has."""

    base_url: str = "https://pigeon.example"
    loft_key: SecretStr = SecretStr("none")


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a settings text."""

    def load_text(text: str) -> Settings:
        file, key = tmp_path / "relay.toml", tmp_path / "key"
        key.write_text("coo")
        key.chmod(0o600)
        file.write_text(text.replace("KEY", f'loft_key_file = "{key}"\n'))
        return load_settings(path=file, environment={}, line_models={"pigeon": Pigeon})

    return load_text


def test_the_same_settings_read_again_are_not_different(load: Load) -> None:
    """Whatever order they stand in, and with all that values are made of: times, zones, secrets."""
    more = 'hours = "08:00-21:00"\nzone = "America/Denver"\nKEY'
    before, after = load(HEAD + FRONT + more + BACK), load(HEAD + BACK + FRONT + more)
    assert difference(before, after) == Difference()
    assert not difference(before, after).has_lines


def test_lines_come_go_and_are_others(load: Load) -> None:
    """Any key of a line makes it another one; a secret's value is seen, and told nowhere."""
    before = load(HEAD + FRONT + BACK)
    after = load(HEAD + FRONT + "KEY" + '[lines.side]\nprovider = "pigeon"\n')
    found = difference(before, after)
    assert found == Difference(added=("side",), removed=("back",), changed=("front",))
    assert found.has_lines
    assert "coo" not in repr(found)


def test_every_other_key_is_named(load: Load) -> None:
    """By its dotted name; a table that is there only once by its own."""
    before = load(HEAD + FRONT)
    changed = HEAD.replace("1883", "1884") + 'username = "relay"\n[log]\nlevel = "debug"\n'
    after = load(changed + FRONT + 'base_url = "http://127.0.0.1:1"\n[lab]\nspeed = 60\n')
    found = difference(before, after)
    assert found.others == ("bus.url", "bus.username", "log.level", "lab")
    assert found.changed == ("front",)


def test_lines_are_judged_with_the_settings_that_stay(load: Load) -> None:
    """New lines that need a key that is taken at the next start are refused, with both ways out."""
    before = load(HEAD + FRONT)
    after = load(HEAD.replace('"n1"', '"n1"\ngrace = "5m"') + FRONT + 'timeout = "60s"\n')
    with pytest.raises(BadSettings) as refused:
        with_lines(before, after.lines)
    [problem] = refused.value.problems
    assert problem.key == "lines.front.timeout"
    assert "restart relay" in problem.cure
    assert "that relay was started with" in problem.what


def test_lines_that_fit_are_the_lines_and_all_else_stays(load: Load) -> None:
    """Their own settings are what they were read as."""
    before, after = load(HEAD + FRONT), load(HEAD.replace("n1", "n2") + BACK + "KEY")
    taken = with_lines(before, after.lines)
    assert (taken.node.name, taken.bus, list(taken.lines)) == ("n1", before.bus, ["back"])
    assert taken.lines["back"] == after.lines["back"]
    assert difference(after, taken).others == ("node.name",)
