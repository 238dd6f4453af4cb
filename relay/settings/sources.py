"""file, credentials, environment, flags -> layers: what each of them sets, and where it says so."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.settings.model import Settings
from relay.settings.problems import SettingProblem
from relay.settings.toml_lines import Keys, line_of, lines_of

DEFAULT_FILE = Path("/etc/relay/relay.toml")
PREFIX = "RELAY_"
FILE_VARIABLE = "RELAY_CONFIG"

_AS_TOML = 'mend this line: each setting stands once, as name = "text", name = 5 or name = true'
_TOML_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source sets.

    Attributes:
        values: each setting by its keys; an empty table is `{}`.
        where: the place at which the source says so.
        name: how the source spells a setting's keys.
        is_text: every value is text, with commas between the parts of a list.
        is_public: people read and copy it, so that no secret may stand in it.
        folder: where its relative paths begin.
        credentials: its values are files' contents, and these are the files.
    """

    values: Mapping[Keys, Any]
    where: Callable[[Keys], str]
    name: Callable[[Keys], str]
    is_text: bool = False
    is_public: bool = False
    folder: Path = Path()
    credentials: Path | None = None


class Unreadable(Exception):  # noqa: N818 - as BadSettings
    """A settings file that tells nothing at all."""

    def __init__(self, where: str, what: str, cure: str = "") -> None:
        super().__init__(what)
        self.problem = SettingProblem(where, "", what, cure)


def config_path(path: Path | None, environment: Mapping[str, str]) -> Path:
    """The settings file that is meant: from the command line, else from the environment, else the usual one."""
    named = environment.get(FILE_VARIABLE)
    return path or (Path(named) if named else DEFAULT_FILE)


def find_file(path: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The settings file that is asked for, there or not; else the usual one where it is there."""
    meant = config_path(path, environment)
    return meant if meant is not DEFAULT_FILE or meant.exists() else None


def default_socket(environment: Mapping[str, str]) -> Path:
    """The socket for commands where no setting names one: in the folder that systemd gives."""
    runtime = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0] or "/run/relay"
    return Path(runtime) / "relay.sock"


def file_layer(path: Path) -> Layer:
    """What a TOML file sets.

    Raises:
        Unreadable: it cannot be read, or is not TOML.
    """
    text = _text(path)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        place = _TOML_PLACE.search(said)
        line = (place and place[1]) or str(len(text.splitlines()))
        raise Unreadable(f"{path}:{line}", f"this is not TOML: {_TOML_PLACE.sub('', said)}", _AS_TOML) from None
    except RecursionError:
        raise Unreadable(
            str(path), "this is not TOML: its lists stand too deep in one another", "take them apart"
        ) from None
    lines = lines_of(text)

    def where(keys: Keys) -> str:
        line = line_of(keys, lines)
        return f"{path}:{line}" if line else str(path)

    return Layer(dict(_flat(tree)), where, ".".join, is_public=True, folder=path.absolute().parent)


def credentials_layer(folder: Path) -> Layer:
    """What systemd's credentials set: files named as the settings are, such as `lines.alerts.app_secret`.

    Other programs' credentials may lie in the folder too: names that begin as no table of the settings are not ours.
    """
    found = sorted(file.name for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
    ours = [tuple(name.split(".")) for name in found if name.partition(".")[0] in Settings.model_fields]
    return Layer(
        {keys: folder / ".".join(keys) for keys in ours},
        lambda _: "credential",
        ".".join,
        is_text=True,
        folder=folder,
        credentials=folder,
    )


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """What variables such as `RELAY_BUS__URL` set; a line's alias has `_` for `-` there."""
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIX) and name != FILE_VARIABLE}
    return Layer(
        {keys_of_variable(name): value for name, value in ours.items()},
        lambda _: "environment",
        variable,
        is_text=True,
    )


def flags_layer(overrides: Mapping[str, Any]) -> Layer:
    """What the command line, or a program that starts relay itself, sets."""
    return Layer(dict(_flat(overrides)), lambda _: "command line", ".".join)


def defaults_layer(environment: Mapping[str, str], node: str) -> Layer:
    """What holds where nothing else is said: the service's folders as systemd gives them, and the host's name."""
    state = environment.get("STATE_DIRECTORY", "").partition(":")[0] or "/var/lib/relay"
    values: dict[Keys, Any] = {
        ("node", "name"): node,
        ("bus",): {},
        ("journal", "url"): f"sqlite:///{state}/relay.db",
        ("journal", "spool"): f"{state}/spool.db",
        ("admin", "socket"): default_socket(environment),
        ("lines",): {},
    }
    return Layer(values, lambda _: "default", ".".join)


def variable(keys: Keys) -> str:
    """The environment variable for a setting."""
    return PREFIX + "__".join(key.replace("-", "_") for key in keys).upper()


def keys_of_variable(name: str) -> Keys:
    """The setting that an environment variable is for."""
    keys = name.removeprefix(PREFIX).lower().split("__")
    if keys[0] == "lines":
        keys[1:2] = [alias.replace("_", "-") for alias in keys[1:2]]
    return tuple(keys)


def _flat(tree: Mapping[str, Any], above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, (*above, key))
        else:
            yield (*above, key), value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except FileNotFoundError:
        cure = "make one with: relay init; or name another with --config"
        raise Unreadable(str(path), "there is no such settings file", cure) from None
    except UnicodeDecodeError:
        raise Unreadable(str(path), "this is not UTF-8 text", "save the settings file as UTF-8") from None
    except OSError as error:
        cure = f"let relay's user read it: chmod 644 {path} (no secret stands in it)"
        raise Unreadable(str(path), f"the settings file cannot be read: {error.strerror}", cure) from None
