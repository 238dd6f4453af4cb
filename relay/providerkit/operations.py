"""A row of the operations table: what a provider's documents describe, and what of relay's reaches it.

Each provider folder has its rows in `operations.py`; its client takes the paths from there, so that the table cannot
say anything but what is called. `docs/operations.md` is made from the rows of all providers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a provider's.

    Attributes:
        name: as the documents call it, unique within the provider, such as "Get SMS (v3)".
        method: the HTTP method.
        path: from the base URL on, with `{name}` for an id; for a callback, below relay's public address.
        source: where it is described, such as "OpenAPI of SMS v3, getInbox".
        reached_by: the topic, command or setting that makes relay use it, in Markdown.
        is_callback: the provider calls relay.
    """

    name: str
    method: str
    path: str
    source: str
    reached_by: str
    is_callback: bool = False


def labels(operations: Iterable[Operation]) -> dict[tuple[str, str], str]:
    """What a metric calls each method and path: as the documents call it, in small letters.

    Operations that differ in their bodies alone have the words that their names have in common.
    """
    names: defaultdict[tuple[str, str], list[list[str]]] = defaultdict(list)
    for one in operations:
        if not one.is_callback:
            names[one.method, one.path].append(_words(one.name))
    return {place: "_".join(_common(found)) for place, found in names.items()}


def _words(name: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()


def _common(names: list[list[str]]) -> list[str]:
    same = [words[0] for words in takewhile(lambda words: len(set(words)) == 1, zip(*names, strict=False))]
    while len(names) > 1 and same and same[-1] in _JOINING:
        same.pop()
    return same or names[0]


_JOINING = frozenset({"a", "the", "for", "of"})

_OPENING = """# Operations

Made from `relay/providers/*/operations.py`; change those files, then this page by

```sh
python -c "from relay.providers import operations_page; print(operations_page(), end='')" > docs/operations.md
```

Every operation that the providers' documents describe, and what of relay's reaches it: a topic, a command, or a
setting of the line. A path is below the line's `base_url`; that of a callback, which the provider makes, is below
`webhooks.public_url`. For every row there are tests over real sockets, as documented and as the provider was seen to
answer.
"""


def as_markdown(operations: Mapping[str, Sequence[Operation]]) -> str:
    """The page, from the rows of each provider by its name."""
    return _OPENING + "".join(_section(provider, rows) for provider, rows in operations.items() if rows)


def _section(provider: str, rows: Sequence[Operation]) -> str:
    table = "".join(
        f"| {row.name} | {_where(row)} | {row.source} | {row.reached_by.replace('|', '/')} |\n" for row in rows
    )
    return f"\n## {provider}\n\n| operation | method and path | source | reached by |\n|---|---|---|---|\n{table}"


def _where(row: Operation) -> str:
    return f"`{row.method} {row.path}`" + (" (callback)" if row.is_callback else "")
