"""pydantic's errors -> problems in our words: where the setting stands, what is wrong, what would be right."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic_core import ErrorDetails

from relay.settings.judging import Judged
from relay.settings.keys import Keys, Kind, look
from relay.settings.problems import SettingProblem
from relay.settings.sources import Layer, variable

_PLACE = re.compile(r"(.*?)(?::(\d+))?")
_SUBJECT = re.compile(r"^\w+ should\b")


def problems_of(errors: Sequence[ErrorDetails], judged: Judged, layers: Sequence[Layer]) -> list[SettingProblem]:
    """What pydantic found and nobody has told yet. `layers`: the one that goes before the others first."""
    found = ((_keys(error), error) for error in errors)
    return [_problem(keys, error, judged, layers) for keys, error in found if not _is_told(keys, judged)]


def in_order(problems: Sequence[SettingProblem]) -> list[SettingProblem]:
    """The problems, those of one file in the order of its lines."""
    return sorted(problems, key=lambda problem: _place(problem.where))


def _place(where: str) -> tuple[str, int]:
    found = _PLACE.fullmatch(where)
    return (found[1], int(found[2] or 0)) if found else (where, 0)


def _keys(error: ErrorDetails) -> Keys:
    inner = error["ctx"]["key"].split(".") if error["type"] == "unfit" else []
    return tuple(str(part) for part in (*error["loc"], *inner) if not isinstance(part, int))


def _is_told(keys: Keys, judged: Judged) -> bool:
    return any(told[: len(keys)] == keys or keys[: len(told)] == told for told in judged.told)


def _problem(keys: Keys, error: ErrorDetails, judged: Judged, layers: Sequence[Layer]) -> SettingProblem:
    layer, written = _origin(keys, judged, layers)
    what, cure = _said(keys, error, judged)
    return SettingProblem(layer.where(written), layer.name(written), what, cure)


def _origin(keys: Keys, judged: Judged, layers: Sequence[Layer]) -> tuple[Layer, Keys]:
    """The layer that set it; for what nobody set, where people would: the file, or else the environment."""
    if keys in judged.origins:
        return judged.origins[keys]
    by_hand = [layer for layer in layers if layer.is_public or layer.name is variable]
    return by_hand[-1], keys


def _said(keys: Keys, error: ErrorDetails, judged: Judged) -> tuple[str, str]:
    context: dict[str, Any] = error.get("ctx", {})
    spot = look(keys, judged.lines)
    if error["type"] == "unfit":
        return context["what"], context["cure"]
    if keys == ("lines",):
        return "no line is set up", "add a table [lines.<alias>] with a provider"
    if error["type"] == "missing":
        return "is missing", _ways(keys) if spot.kind is Kind.SECRET else spot.description
    if error["type"] == "value_error":  # our own words, which say what would be right
        return error["msg"].removeprefix("Value error, "), ""
    return _SUBJECT.sub("must", error["msg"], count=1), spot.description


def _ways(keys: Keys) -> str:
    return f"set {keys[-1]}_file, the credential {'.'.join(keys)} or the variable {variable(keys)}"
