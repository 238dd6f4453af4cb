"""The settings file that `relay init` writes: it cannot say anything else than the settings' own models."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from relay.cli.setup.draft import Draft
from relay.cli.setup.interview import asked_of
from relay.cli.setup.tomltext import EXAMPLES, settings_text, toml_value
from relay.providers import discover
from relay.settings import Settings, load_settings
from relay.settings.keys import look

PROVIDERS = discover()
MODELS = {name: provider.settings for name, provider in PROVIDERS.items()}
ANSWERS = {
    "att-sms": {"short_code": "12345", "app_key": "key", "app_secret": "marked-secret", "hours": "08:00-21:00"},
    "att-landline": {"number": "206 555 0100", "session": "marked-secret", "events": "receive,send", "mms": "false"},
    "att-inapp": {"number": "2065550111", "app_key": 'a "quoted" k\u00e9y', "app_secret": "marked-secret"},
}
_EXAMPLE = re.compile(rf"^# (?:{'|'.join(EXAMPLES)}) = .*\n", re.MULTILINE)
_SWITCH = re.compile(r"^# (?=[a-z_]+ = )", re.MULTILINE)


def draft_of(provider: str) -> Draft:
    """Answers for a line of a provider, and a broker."""
    draft = Draft(PROVIDERS)
    draft.put(("bus", "url"), "mqtts://broker.example")
    draft.put(("bus", "username"), "relay")
    draft.put(("bus", "password"), "marked-secret")
    draft.put(("webhooks", "public_url"), "https://a.example, https://b.example")
    draft.put(("lines", "one", "provider"), provider)
    for key, value in ANSWERS[provider].items():
        draft.put(("lines", "one", key), value)
    return draft


def written(draft: Draft) -> str:
    """Its settings file."""
    return settings_text(draft.settings(), draft.answered(), {keys: ".".join(keys) for keys in draft.secrets})


def loaded(folder: Path, text: str, draft: Draft) -> Settings:
    """What relay makes of a settings file, and of the secrets beside it."""
    for keys, secret in draft.secrets.items():
        (folder / ".".join(keys)).write_text(secret)
        (folder / ".".join(keys)).chmod(0o600)
    (folder / "relay.toml").write_text(text)
    return load_settings(path=folder / "relay.toml", environment={}, line_models=MODELS)


@pytest.mark.parametrize("provider", sorted(ANSWERS))
def test_what_was_answered_is_what_loads(tmp_path: Path, provider: str) -> None:
    """As it is written, with secrets in files of their own and none in the text."""
    draft = draft_of(provider)
    text = written(draft)
    assert "marked-secret" not in text
    assert loaded(tmp_path, text, draft).model_dump() == draft.settings().model_dump()


@pytest.mark.parametrize("provider", sorted(ANSWERS))
def test_every_commented_default_is_the_models_own(tmp_path: Path, provider: str) -> None:
    """Each key that is named exists, and switching all defaults on changes nothing; examples are taken as well."""
    draft = draft_of(provider)
    text = written(draft)
    shown = tomllib.loads(_SWITCH.sub("", text))
    assert set(Settings.model_fields) - shown.keys() == {"lab"}
    assert sum(map(len, shown.values())) > 30
    switched = loaded(tmp_path, _SWITCH.sub("", _EXAMPLE.sub("", text)), draft).model_dump()
    assert switched == draft.settings().model_dump()
    assert loaded(tmp_path, _SWITCH.sub("", text), draft).lines["one"].calls_per_day == 20_000


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_line_is_asked_for_what_it_must_have(provider: str) -> None:
    """With these answers its settings are whole; what is secret is not shown."""
    model = PROVIDERS[provider].settings
    asked = asked_of(model)
    assert {key for key, field in model.model_fields.items() if field.is_required()} <= asked.keys()
    kinds = {key: look(("lines", "one", key), {"one": model}).kind.name for key in asked}
    assert {key for key, kind in kinds.items() if kind == "SECRET"} == {"app_secret", "session"} & asked.keys()


def test_who_has_a_user_name_is_asked_for_a_password() -> None:
    """A session is the other way in."""
    model = PROVIDERS["att-landline"].settings
    assert "session" in asked_of(model)
    assert {"password", "session"} & asked_of(model, ["username"]).keys() == {"password"}


@pytest.mark.parametrize(
    ("provider", "key", "value", "shown"),
    [
        ("att-sms", "timeout", 90.0, '"1m30s"'),
        ("att-sms", "timeout", 1.5, "1.5"),
        ("att-sms", "window", 8, "8"),
        ("att-inapp", "custom_param", (), "[]"),
        ("att-landline", "mms", False, "false"),
        ("att-landline", "events", ("receive", "send"), '["receive", "send"]'),
    ],
)
def test_values_are_written_as_people_write_them(provider: str, key: str, value: Any, shown: str) -> None:
    """Durations with their units, where nothing of them is lost."""
    assert toml_value(value, PROVIDERS[provider].settings.model_fields[key]) == shown


def test_a_draft_judges_one_answer_at_a_time() -> None:
    """In the settings' own words, whatever else is still missing; nothing of this machine's settings is in it."""
    draft = Draft(PROVIDERS)
    draft.put(("bus", "url"), "http://broker.example")
    assert (draft.problem(("bus", "url")) or "").startswith("must be an address such as")
    draft.put(("bus", "url"), "mqtt://broker.example")
    assert draft.problem(("bus", "url")) is None
    draft.put(("lines", "one", "provider"), "att-landline")
    draft.put(("lines", "one", "number"), "12")
    assert "2 digits" in (draft.problem(("lines", "one", "number")) or "")
    draft.put(("lines", "one", "session"), "key")
    draft.drop_line("one")
    assert (draft.answered(), draft.secrets) == ({("bus", "url")}, {})
