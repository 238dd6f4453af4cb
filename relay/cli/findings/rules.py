"""The rules that each line sends by, in words. Its replies are tried on the line itself; nobody is called."""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

from relay.cli.findings import Finding, good
from relay.cli.findings.lines import Prober
from relay.rules.line import LineRules, Rules, Scope
from relay.settings import Settings
from relay.wiring.rules import rules_of

_HELD_FOR = {
    Scope.ALL: "all lines",
    Scope.GROUP: "the lines of the group that was texted",
    Scope.LINE: "the line that was texted, and no other",
}


async def look_at_rules(settings: Settings, prober: Prober) -> Sequence[Finding]:
    """What every line may do; raises BadSettings where one cannot follow its rules."""
    async with AsyncExitStack() as stack:
        lines = {alias: await stack.enter_async_context(prober.connected(alias)) for alias in settings.lines}
        rules = rules_of(settings, lines)
    told = [good("settings", f"an opt-out holds for {_HELD_FOR[rules.scope]}")]
    return told + [good(alias, words) for alias in settings.lines for words in in_words(rules, alias)]


def in_words(rules: Rules, alias: str) -> Iterator[str]:
    """Each rule of a line in a few words."""
    line = rules.of(alias)
    yield _hours(line)
    if limits := ", ".join(_limits(line)):
        yield f"calls: at most {limits}"
    if line.company:
        yield f"a text waits up to {line.company:g} s for others with the same words"
    if rules.scope is Scope.GROUP:
        others = [other.line for other in rules.lines.values() if line.group and other.group == line.group]
        yield f"shares opt-outs with {_together(each for each in others if each != alias)}"
    if line.replies:
        yield f"answers {_together(keyword.upper() for keyword in line.replies)}"


def _hours(line: LineRules) -> str:
    if line.hours is None:
        return "sends at any hour"
    urgent = "; urgent texts at any time" if line.urgent_any_time else ""
    unknown = f"{line.zones[0].key}'s" if line.zones else "that of every zone of the United States"
    return f"sends {line.hours} in the recipient's time, or in {unknown} where that is not known{urgent}"


def _limits(line: LineRules) -> Iterator[str]:
    if line.calls_per_second is not None:
        yield f"{line.calls_per_second:g} a second"
    if line.calls_per_day is not None:
        yield f"{line.calls_per_day} a day"
    if line.calls_per_month is not None:
        yield f"{line.calls_per_month} a month"
    if line.calls_kept and (line.calls_per_day or line.calls_per_month):
        yield f"of which {line.calls_kept} a day are kept for what comes in"


def _together(words: Iterator[str]) -> str:
    return ", ".join(words) or "no other line"
