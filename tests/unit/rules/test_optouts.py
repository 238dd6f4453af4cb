"""Where an opt-out holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.rules.line import LineRules, Rules, Scope
from relay.rules.optouts import applies

GROUPS = {"shop": "sales", "news": "sales", "bank": None, "club": None, "desk": "help"}
LINES = {line: LineRules(line, group=group) for line, group in GROUPS.items()}


@pytest.mark.parametrize(
    ("scope", "line", "asked_on", "asked_group", "is_held"),
    [
        (Scope.ALL, "shop", "bank", None, True),
        (Scope.ALL, "shop", "gone", "other", True),
        (Scope.GROUP, "shop", "shop", "sales", True),
        (Scope.GROUP, "shop", "news", "sales", True),
        (Scope.GROUP, "shop", "desk", "help", False),
        (Scope.GROUP, "bank", "club", None, False),
        (Scope.GROUP, "bank", "bank", None, True),
        (Scope.GROUP, "bank", "shop", "sales", False),
        # The line on which it was asked for has since left the group, come into it, or is gone.
        (Scope.GROUP, "shop", "desk", "sales", True),
        (Scope.GROUP, "shop", "news", "help", True),
        (Scope.GROUP, "shop", "gone", "sales", True),
        (Scope.GROUP, "shop", "gone", None, False),
        (Scope.LINE, "shop", "shop", "sales", True),
        (Scope.LINE, "shop", "news", "sales", False),
    ],
)
def test_an_opt_out_holds_where_its_scope_says(
    scope: Scope, line: str, asked_on: str, asked_group: str | None, is_held: bool
) -> None:
    """For all lines, for those of a group, or for the one on which it was asked for."""
    assert applies(Rules(LINES, scope), line, asked_on, asked_group) is is_held


lines = st.sampled_from([*GROUPS, "gone"])
groups = st.sampled_from([None, "sales", "help", "other"])
rules = st.builds(Rules, st.just(LINES), st.sampled_from(Scope))


@given(rules, lines, groups)
def test_an_operator_s_opt_out_holds_on_every_line(rules: Rules, line: str, group: str | None) -> None:
    """Whatever the scope."""
    assert applies(rules, line, None, group)


@given(rules, lines, groups)
def test_an_opt_out_always_holds_on_its_own_line(rules: Rules, line: str, group: str | None) -> None:
    """Whatever the scope."""
    assert applies(rules, line, line, group)


@given(lines, lines, groups)
def test_a_wider_scope_holds_back_no_less(line: str, asked_on: str, group: str | None) -> None:
    """What a line's scope holds back a group's does, and what that does all's does."""
    narrow, middle, wide = (
        applies(Rules(LINES, scope), line, asked_on, group) for scope in (Scope.LINE, Scope.GROUP, Scope.ALL)
    )
    assert narrow <= middle <= wide
