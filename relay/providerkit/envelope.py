"""An error body -> what the provider says in it: the GSMA `RequestError` envelope, or OAuth's `error`.

Every variant that was seen is read: JSON or XML, either case, the fields directly under `RequestError`, `Variables`
as text, list or missing. What is no such envelope (HTML of a gateway, nothing at all) is None: reading an error never
fails.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from relay.domain.errors import ProviderDetail
from relay.providerkit.folding import folded
from relay.providerkit.http import HttpAnswer
from relay.providerkit.outcome import provider_detail
from relay.providerkit.parse import Unreadable, as_id, as_list

_PLACEHOLDER = re.compile(r"%([1-9])")
# Only a field's name is put into a text: a variable may also be a number or a piece of a message.
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z_. ]{0,39}")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an error body says. `text` has its placeholders filled where the variable is the name of a field."""

    code: str
    text: str
    variables: tuple[str, ...] = ()

    def says(self, words: re.Pattern[str]) -> bool:
        """Whether `words` are in its text or its variables."""
        return any(words.search(said) for said in (self.text, *self.variables))


def complaint(answer: HttpAnswer) -> Complaint | None:
    """What the answer's body complains of; None where it carries no error envelope."""
    try:
        value = folded(answer.body, answer.content_type)
    except Unreadable:
        return None
    if not isinstance(value, dict):
        return None
    inner = value.get("requesterror")
    return _of_gsma(inner) if isinstance(inner, dict) else _of_oauth(value)


def said(answer: HttpAnswer, about: Complaint | None) -> ProviderDetail | None:
    """The complaint as users see it; None where there is none. What the request had hidden is hidden here too."""
    if about is None:
        return None
    return provider_detail(answer.status, _masked(about.code, answer.hidden), _masked(about.text, answer.hidden))


def _masked(text: str, hidden: Iterable[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, "#")
    return text


def _of_gsma(error: Mapping[str, Any]) -> Complaint | None:
    inner = error.get("serviceexception") or error.get("policyexception") or error
    if not isinstance(inner, dict):
        return None
    code, text = as_id(inner.get("messageid")), as_id(inner.get("text"))
    if not code and not text:
        return None
    variables = tuple(found for found in map(as_id, as_list(inner.get("variables"))) if found)
    return Complaint((code or "").upper(), _filled(text or "", variables), variables)


def _of_oauth(value: Mapping[str, Any]) -> Complaint | None:
    error = as_id(value.get("error"))
    return Complaint(error, as_id(value.get("error_description")) or "") if error else None


def _filled(text: str, variables: tuple[str, ...]) -> str:
    def fill(match: re.Match[str]) -> str:
        place = int(match[1]) - 1
        known = place < len(variables) and _FIELD_NAME.fullmatch(variables[place])
        return variables[place] if known else match[0]

    return _PLACEHOLDER.sub(fill, text)
