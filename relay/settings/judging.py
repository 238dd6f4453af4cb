"""layers -> trees that pydantic can check: unknown keys are told, secrets are read from where they may stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.providerkit.linesettings import LineSettings
from relay.settings.files import BadFile, check_readable, read_secret
from relay.settings.keys import Keys, Kind, LineModels, Spot, look, names
from relay.settings.problems import SettingProblem, nearest
from relay.settings.sources import PREFIX, Layer, variable
from relay.settings.types import separated


@dataclass(slots=True)
class Judged:
    """What the layers come to.

    Attributes:
        trees: what each layer sets, the first goes before the others.
        problems: what was found wrong so far.
        lines: each line's settings model; None where its provider is not known.
        origins: for each setting the layer whose value holds, and the keys it is written under there.
    """

    trees: list[dict[str, Any]] = field(default_factory=list)
    problems: list[SettingProblem] = field(default_factory=list)
    lines: LineModels = field(default_factory=dict)
    origins: dict[Keys, tuple[Layer, Keys]] = field(default_factory=dict)
    told: set[Keys] = field(default_factory=set)

    def tell(self, layer: Layer, keys: Keys, what: str, cure: str = "") -> None:
        """Note a problem, once for each setting."""
        problem = SettingProblem(layer.where(keys), layer.name(keys), what, cure)
        self.told.add(keys)
        if problem not in self.problems:
            self.problems.append(problem)


def judge(layers: Sequence[Layer], models: Mapping[str, type[LineSettings]]) -> Judged:
    """What `layers` set, the first of them going before the others; `models` are the providers' settings."""
    judged = Judged()
    judged.lines = _line_models(layers, models, judged)
    for layer in layers:
        tree: dict[str, Any] = {}
        for keys, value in layer.values.items():
            spot = look(keys, judged.lines)
            for found in _settled(layer, keys, value, spot, judged):
                if found != {}:
                    judged.origins.setdefault(spot.keys, (layer, keys))
                _insert(tree, spot.keys, found)
        judged.trees.append(tree)
    return judged


def _line_models(layers: Sequence[Layer], models: Mapping[str, type[LineSettings]], judged: Judged) -> LineModels:
    found: dict[str, type[LineSettings] | None] = {}
    mentions = {keys[1]: layer for layer in reversed(layers) for keys in layer.values if _is_line(keys)}
    for alias, mentioned in sorted(mentions.items()):
        keys = ("lines", alias, "provider")
        layer = next((layer for layer in layers if keys in layer.values), None)
        name = layer.values[keys] if layer else None
        found[alias] = models.get(name) if isinstance(name, str) else None
        if layer is None:
            judged.tell(mentioned, keys, "is missing", f"one of: {', '.join(sorted(models))}")
        elif found[alias] is None:
            judged.tell(layer, keys, "is no provider that relay has", nearest(str(name), models))
    return found


def _is_line(keys: Keys) -> bool:
    return len(keys) > 1 and look(keys[:2], {keys[1]: LineSettings}).kind is Kind.TABLE and keys[0] == "lines"


def _settled(layer: Layer, keys: Keys, value: Any, spot: Spot, judged: Judged) -> Sequence[Any]:
    """The value that is to stand at the spot, in a list; an empty list where there is none."""
    try:
        match spot.kind:
            case Kind.UNKNOWN:
                unknown, cure = _unknown(layer, keys, spot, judged.lines)
                judged.tell(layer, unknown, "there is no such setting", cure)
            case Kind.BAD_ALIAS:
                cure = "use 1 to 32 of a-z, 0-9 and -, a letter or digit first, and no phone number"
                judged.tell(layer, spot.keys, "is no name for a line", cure)
            case Kind.TABLE if value != {}:
                judged.tell(layer, keys, "is a table of settings, and not a value")
            case Kind.SECRET | Kind.SECRET_FILE:
                return _secret(layer, keys, value, spot, judged)
            case Kind.PATH:
                return [_path(layer, keys, value)]
            case Kind.VALUE | Kind.LIST | Kind.TABLE:
                return [_plain(layer, value, spot)]
    except BadFile as bad:
        judged.tell(layer, keys, bad.what, bad.cure)
        judged.told.add(spot.keys)
    return []


def _unknown(layer: Layer, keys: Keys, spot: Spot, lines: LineModels) -> tuple[Keys, str]:
    """The keys to name and the cure; a variable and a credential are mended whole, a file's key within its table."""
    if layer.credentials:
        return keys, nearest(".".join(keys), map(".".join, names(lines)))
    if layer.name is not variable:
        return spot.keys, spot.cure
    known = [variable(known).removeprefix(PREFIX) for known in names(lines)]
    return keys, nearest(variable(keys).removeprefix(PREFIX), known, before=PREFIX)


def _secret(layer: Layer, keys: Keys, value: Any, spot: Spot, judged: Judged) -> Sequence[str]:
    if layer.is_public and spot.kind is Kind.SECRET:
        ways = f"put it in a file that only relay may read, and name that in {keys[-1]}_file"
        judged.tell(layer, keys, "is a secret, and may not stand here", ways)
        return []
    holder, _ = judged.origins.get(spot.keys, (None, ()))
    if holder is layer:
        judged.tell(layer, keys, "is given twice, as itself and as a file", "take one of them out")
    if holder:
        return []
    if layer.credentials:
        return [read_secret(layer.credentials / value, private=False)]
    return [read_secret(_file(layer, value)) if spot.kind is Kind.SECRET_FILE else value]


def _path(layer: Layer, keys: Keys, value: Any) -> Any:
    path = _file(layer, value)
    if keys[-1].endswith("_file"):
        check_readable(path, private=keys[-1] == "key_file" and not layer.credentials)
    return path


def _file(layer: Layer, value: Any) -> Path:
    if not isinstance(value, str | Path) or value == "":
        raise BadFile("must be the path of a file")
    return layer.folder / value


def _plain(layer: Layer, value: Any, spot: Spot) -> Any:
    if layer.credentials and isinstance(value, Path):
        return read_secret(value, private=False)
    return separated(value) if layer.is_text and spot.kind is Kind.LIST else value


def _insert(tree: dict[str, Any], keys: Keys, value: Any) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
    if value == {}:
        tree.setdefault(keys[-1], {})
    else:
        tree[keys[-1]] = value
