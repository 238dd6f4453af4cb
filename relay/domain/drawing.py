"""The table of states as a page of the documentation: `docs/states.md` is made of it, and a test keeps it true."""

from collections.abc import Iterator

from relay.domain.states import TRANSITIONS, Fact, State

_OPENING = """# The states of a copy

Made from `relay/domain/states.py`; change that file, then this page by

```sh
python -c "from relay.domain.drawing import as_markdown; print(as_markdown(), end='')" > docs/states.md
```

A copy is born `scheduled`, `queued` or `failed`. What the journal keeps in two states, users see as one status:
`submitted` and `unknown` may still be followed or be the end, `delivered` may be confirmed or not, and what has
`failed` because it was given up, without anybody knowing, may turn out to have been sent. An arrow's
words are the facts that lead along it. A fact that teaches nothing leaves the state as it is, and is not drawn.
"""


def as_markdown() -> str:
    """The page."""
    return f"{_OPENING}\n{_table()}\n```mermaid\nstateDiagram-v2\n{_arrows()}```\n"


def _table() -> str:
    rows = (
        f"| `{state.key}` | `{state.status.value}` | {state.rank} | {'yes' if state.final else 'no'} |\n"
        for state in State
    )
    return f"| state | status | rank | final |\n|---|---|---|---|\n{''.join(rows)}"


def _arrows() -> str:
    return "".join(f"    {_name(before)} --> {_name(after)}: {facts}\n" for before, after, facts in _drawn())


def _drawn() -> Iterator[tuple[State, State, str]]:
    """Every arrow that changes something: from, to, and the facts that go along it."""
    for before, row in TRANSITIONS.items():
        along: dict[State, list[Fact]] = {}
        for fact, after in row.items():
            if after is not before:
                along.setdefault(after, []).append(fact)
        for after, facts in along.items():
            yield before, after, ", ".join(fact.value for fact in facts)


def _name(state: State) -> str:
    """Mermaid's names know no hyphens."""
    return state.key.replace("-", "_")
