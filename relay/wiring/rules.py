"""settings + connected lines -> the rules of sending: what the operator wants, and how each line would do it."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from relay.domain.errors import Refused
from relay.domain.keywords import Keyword
from relay.domain.messages import Content
from relay.providerkit.linesettings import LineSettings
from relay.providerkit.spec import FetchesInbox, Line, Sends, SyncsMailbox
from relay.rules.line import KeywordReply, LineRules, Rules
from relay.settings import BadSettings, SettingProblem, Settings

K = TypeVar("K")
V = TypeVar("V")

_DAY = 86_400  # seconds
_LONGEST_MONTH = 31  # days


def rules_of(settings: Settings, lines: Mapping[str, Line]) -> Rules:
    """The rules of all lines, `lines` by alias.

    Raises:
        BadSettings: a line cannot send one of its replies, or a limit leaves no call to send with. All such are told.
    """
    return Rules(_each(lines, lambda alias: line_rules(settings.lines[alias], lines[alias])), settings.optout.scope)


def line_rules(settings: LineSettings, line: Line) -> LineRules:
    """The rules of one line; raises BadSettings as `rules_of` does."""
    kept = calls_kept(line)
    _check_limits(settings, line.alias, kept)
    texts = settings.replies.given
    return LineRules(
        line=line.alias,
        group=settings.group,
        hours=settings.hours,
        urgent_any_time=settings.urgent_any_time,
        zones=(settings.zone,) if settings.zone else (),
        calls_per_second=settings.calls_per_second,
        calls_per_day=settings.calls_per_day,
        calls_per_month=settings.calls_per_month,
        calls_kept=kept,
        company=settings.company,
        replies=_each(texts, lambda keyword: _planned(line, keyword, texts[keyword])),
    )


def calls_kept(line: Line) -> int:
    """How many calls a day reading the line's inbox or message store takes."""
    kept = 0
    if isinstance(line, FetchesInbox) and line.polls_inbox:
        kept += math.ceil(_DAY / line.poll_interval)
    if isinstance(line, SyncsMailbox) and line.syncs_mailbox:
        kept += math.ceil(_DAY / line.sync_interval)
    return kept


def _planned(line: Line, keyword: Keyword, text: str) -> KeywordReply:
    key = f"lines.{line.alias}.replies.{keyword}"
    if not isinstance(line, Sends):
        raise _bad(key, "cannot be sent: the line only receives", "leave it out")
    try:
        return KeywordReply(text, line.plan(Content(text)))
    except Refused as refused:
        raise _bad(key, f"cannot be sent: {refused.problem.detail}", "write one that the line can send") from None


def _check_limits(settings: LineSettings, alias: str, kept: int) -> None:
    for key, limit, read in (
        ("calls_per_day", settings.calls_per_day, kept),
        ("calls_per_month", settings.calls_per_month, kept * _LONGEST_MONTH),
    ):
        if limit is not None and limit <= read:
            what = f"leaves no call to send with: reading what comes in takes {read} calls of it"
            raise _bad(f"lines.{alias}.{key}", what, f"set more than {read}, or read less often")


def _each(keys: Iterable[K], make: Callable[[K], V]) -> Mapping[K, V]:
    """What is made for each key; the problems of all of them are told together."""
    made: dict[K, V] = {}
    problems: list[SettingProblem] = []
    for key in keys:
        try:
            made[key] = make(key)
        except BadSettings as bad:
            problems += bad.problems
    if problems:
        raise BadSettings(problems)
    return made


def _bad(key: str, what: str, cure: str) -> BadSettings:
    return BadSettings([SettingProblem("settings", key, what, cure)])
