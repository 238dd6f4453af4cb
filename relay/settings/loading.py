"""layers -> Settings: TOML file < systemd's credentials < environment < flags, every problem told at once.

pydantic checks the values, and pydantic-settings puts the layers over one another, as its sources. Its own readers
of TOML, secrets and the environment are not used: they tell no line, choose no model by `provider`, and let a
misspelt variable pass.
"""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from relay.providerkit.linesettings import LineSettings
from relay.settings.findings import in_order, problems_of
from relay.settings.judging import Judged, judge
from relay.settings.keys import Keys
from relay.settings.model import JournalSection, Media, Settings
from relay.settings.problems import BadSettings, SettingProblem
from relay.settings.section import unfit
from relay.settings.sources import (
    DEFAULT_FILE,
    FILE_VARIABLE,
    Layer,
    Unreadable,
    credentials_layer,
    defaults_layer,
    environment_layer,
    file_layer,
    find_file,
    flags_layer,
)
from relay.settings.types import node_name_of, web_url


def load_settings(
    *,
    path: Path | None,
    environment: Mapping[str, str],
    line_models: Mapping[str, type[LineSettings]],
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """All settings, from the file, systemd's credentials, the environment and the command line.

    Args:
        path: the file from the command line; None looks at $RELAY_CONFIG, then at /etc/relay/relay.toml.
        environment: the process' environment variables.
        line_models: the settings class of each provider by its name.
        overrides: a tree of settings that go before all others; secrets may stand in it.

    Raises:
        BadSettings: something is wrong, with every problem that was found. No secret is in it.
    """
    layers, problems = _layers(path, environment, overrides or {})
    if problems:
        raise BadSettings(problems)
    judged = judge(layers, line_models)
    try:
        settings = _checked(judged, line_models)
    except ValidationError as errors:
        found = problems_of(errors.errors(), judged, layers)
        raise BadSettings(in_order(judged.problems + found)) from None
    if judged.problems:
        raise BadSettings(in_order(judged.problems))
    return settings


def kept_at(*, path: Path | None, environment: Mapping[str, str]) -> tuple[JournalSection, Path]:
    """Where the journal and the attachments are kept, for who has no right to the other secrets, or no use for them.

    Args:
        path: as for `load_settings`.
        environment: as for `load_settings`.

    Raises:
        BadSettings: one of these settings is wrong; the others are not looked at.
    """
    layers, problems = _layers(path, environment, {})
    if problems:
        raise BadSettings(problems)
    own = [replace(layer, values=_of_tables(layer.values, {"journal", "media"})) for layer in layers]
    judged = judge(own, {})
    merged: dict[str, dict[str, Any]] = {"journal": {}, "media": {}}
    for tree in reversed(judged.trees):
        for table, values in tree.items():
            merged[table].update(values)
    try:
        journal, media = JournalSection.model_validate(merged["journal"]), Media.model_validate(merged["media"])
    except ValidationError as errors:
        raise BadSettings(in_order(judged.problems + problems_of(errors.errors(), judged, own))) from None
    if judged.problems:
        raise BadSettings(in_order(judged.problems))
    return journal, media.kept_beside(journal.path or journal.spool)


def _of_tables(values: Mapping[Keys, Any], tables: set[str]) -> Mapping[Keys, Any]:
    return {keys: value for keys, value in values.items() if keys and keys[0] in tables}


def _layers(
    path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any]
) -> tuple[Sequence[Layer], Sequence[SettingProblem]]:
    """The layers, the one that goes before the others first."""
    credentials = environment.get("CREDENTIALS_DIRECTORY", "").partition(":")[0]
    layers = [
        flags_layer(overrides),
        environment_layer(environment),
        *([credentials_layer(Path(credentials))] if credentials else []),
    ]
    file = find_file(path, environment)
    try:
        layers += [file_layer(file)] if file else []
    except Unreadable as error:
        return layers, [error.problem]
    if not file and not any(layer.values for layer in layers):
        what = f"there is no settings file: looked for --config, ${FILE_VARIABLE} and {DEFAULT_FILE}"
        return layers, [SettingProblem("settings", "", what, "make one with: relay init")]
    return [*layers, defaults_layer(environment, node_name_of(socket.gethostname()))], []


def _checked(judged: Judged, line_models: Mapping[str, type[LineSettings]]) -> Settings:
    def line(value: Any) -> LineSettings:
        settings = line_models[value["provider"]].model_validate(value)
        try:
            web_url(settings.base_url)
        except ValueError as error:
            raise unfit("base_url", str(error), "leave it out to call AT&T itself") from None
        return settings

    class Layered(Settings):
        lines: Mapping[str, Annotated[LineSettings, BeforeValidator(line)]] = Field(min_length=1)

        @classmethod
        def settings_customise_sources(cls, *_: Any, **_usual: Any) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_Given(cls, tree) for tree in judged.trees)

    return Layered()


class _Given(PydanticBaseSettingsSource):
    """A layer as pydantic-settings wants it."""

    def __init__(self, settings_cls: type[BaseSettings], tree: dict[str, Any]) -> None:
        super().__init__(settings_cls)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base class asks for it
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._tree
