"""Scripted faults: which request is to be answered how badly, and how often."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Trouble = Literal[
    "status", "html", "garbage", "truncate", "cut-before", "cut-after", "delay", "retry-after", "redirect"
]


class Match(BaseModel):
    """Which requests a rule is for; what is left out matches all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: str | None = None
    operation: str | None = None
    line: str | None = None

    def fits(self, service: str, operation: str, line: str | None) -> bool:
        """Whether a request is meant."""
        return all(
            mine is None or mine == theirs
            for mine, theirs in ((self.service, service), (self.operation, operation), (self.line, line))
        )


class Rule(BaseModel):
    """One fault. Of the fields below `do`, each is read by the troubles that its comment names."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    match: Match = Match()
    times: int = Field(default=1, ge=0)  # 0: for ever
    skip: int = Field(default=0, ge=0)  # so many matching requests are let through first
    do: Trouble
    processed: bool = False  # status, html, garbage, retry-after, delay: the request takes effect first
    status: int | None = Field(default=None, ge=200, le=599)  # status, html, garbage, retry-after
    answer: Any = Field(default=None, alias="json")  # status: sent as JSON
    body: str = ""  # status: sent as it is, where there is no JSON
    content_type: str = "text/plain"  # status, with a body
    headers: Mapping[str, str] = {}  # status
    after: float | str = 30.0  # retry-after: seconds, or a date
    seconds: float = Field(default=1, ge=0)  # delay
    real: bool = False  # delay: of real time, for socket time-outs, and not of the clock


class Faults:
    """The rules that are left, in order: the first that matches a request acts, as often as it says."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def add(self, rule: Rule | Mapping[str, Any]) -> None:
        """Append a rule; raises ValueError (pydantic's) where it is not one."""
        self._rules.append(rule.model_copy() if isinstance(rule, Rule) else Rule.model_validate(rule))

    def clear(self) -> None:
        """Forget all rules."""
        self._rules.clear()

    @property
    def rules(self) -> Sequence[Rule]:
        """The rules that are left, with what is left of their counts."""
        return tuple(self._rules)

    def take(self, service: str, operation: str, line: str | None) -> Rule | None:
        """The rule that acts on this request, used up by one; None where the request is left alone."""
        for rule in self._rules:
            if rule.match.fits(service, operation, line):
                return self._use(rule)
        return None

    def _use(self, rule: Rule) -> Rule | None:
        if rule.skip:
            rule.skip -= 1
            return None
        if rule.times == 1:
            self._rules.remove(rule)
        elif rule.times:
            rule.times -= 1
        return rule
