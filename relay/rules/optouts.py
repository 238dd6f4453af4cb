"""Whether an opt-out that was asked for on one line holds on another."""

from relay.rules.line import Rules, Scope


def applies(rules: Rules, line: str, asked_on: str | None, asked_group: str | None) -> bool:
    """Whether an opt-out keeps `line` from sending.

    Args:
        rules: those in force now.
        line: the line that is to send.
        asked_on: the line on which it was asked for; None: an operator's, for every line.
        asked_group: the group of that line when it was asked for; counts beside its group now, so that an opt-out
            outlives its line's leaving the group or the configuration.
    """
    if rules.scope is Scope.ALL or asked_on in (None, line):
        return True
    if rules.scope is Scope.LINE or asked_on is None:
        return False
    group = rules.of(line).group
    return group is not None and group in (asked_group, rules.of(asked_on).group)
