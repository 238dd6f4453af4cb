"""a line more -> the settings that are there, with its table after them; its secrets in files of their own."""

import json
import re
import shlex
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from relay.cli.setup.draft import Draft
from relay.cli.setup.files import PRIVATE, File
from relay.cli.setup.making import Made, commands, credential_line
from relay.cli.setup.place import Place
from relay.cli.setup.tomltext import line_text

_DEFAULT = re.compile(r"^# public_url = .*$", re.MULTILINE)
_WEBHOOKS = re.compile(r"^\[webhooks\].*$", re.MULTILINE)


class NotThere(Exception):  # noqa: N818 - it says what it is
    """There are no settings that a line could be added to; says what to do."""


def read_settings(place: Place) -> dict[str, Any]:
    """The tables of the settings that are there.

    Raises:
        NotThere: there are none, or they are no TOML.
    """
    try:
        return tomllib.loads(place.config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotThere(f"{place.config} is not there: without --add-line it is made") from None
    except (OSError, ValueError, RecursionError):
        see = f"relay check --offline --config {shlex.quote(str(place.config))}"
        raise NotThere(f"{place.config} cannot be read as settings. What is wrong says: {see}") from None


def begin_with(there: dict[str, Any], draft: Draft) -> None:
    """Take over what a line's questions hang on."""
    draft.put(("bus", "url"), str(there.get("bus", {}).get("url", "mqtt://127.0.0.1")))
    public = there.get("webhooks", {}).get("public_url", "")
    draft.put(("webhooks", "public_url"), public if isinstance(public, str) else ",".join(public))


def add(draft: Draft, place: Place, there: dict[str, Any], consents: Sequence[str] = ()) -> Made:
    """The files that a line more comes to.

    Args:
        draft: has the line.
        place: where the settings stand.
        there: their tables.
        consents: the line's name, where its subscriber has to agree.

    Raises:
        BadSettings: the line does not fit.
    """
    settings = draft.settings()
    systemd = place.drop_in.exists()
    named = {keys: None if systemd else f"{place.secrets.name}/{'.'.join(keys)}" for keys in draft.secrets}
    text = place.config.read_text(encoding="utf-8").rstrip("\n") + "\n"
    if settings.webhooks.public_url and not there.get("webhooks", {}).get("public_url"):
        text = _with_public_url(text, list(settings.webhooks.public_url))
    for alias, line in settings.lines.items():
        text += f"\n{line_text(alias, line, draft.answered(), named)}"
    files = [File(place.config, text, replaces=True)]
    files += [File(place.secrets / ".".join(keys), f"{secret}\n", PRIVATE) for keys, secret in draft.secrets.items()]
    if systemd:
        more = "".join(credential_line(keys, place) for keys in draft.secrets)
        files.append(File(place.drop_in, place.drop_in.read_text(encoding="utf-8") + more, replaces=True))
    done = commands(settings, place, systemd=systemd, consents=consents)
    again = [each.replace("enable --now relay", "restart relay") for each in done.three]
    return replace(done, files=files, broker=(), three=again)


def _with_public_url(text: str, urls: list[str]) -> str:
    line = f"public_url = {json.dumps(urls)}"
    if _DEFAULT.search(text):
        return _DEFAULT.sub(lambda _: line, text, count=1)
    if _WEBHOOKS.search(text):
        return _WEBHOOKS.sub(lambda header: f"{header[0]}\n{line}", text, count=1)
    return f"{text}\n[webhooks]\n{line}\n"
