"""A row of the operations table: what a provider's documents describe, and what of relay's reaches it.

Each provider folder has its rows in `operations.py`; its client takes the paths from there, so that the table cannot
say anything but what is called. `docs/operations.md` is made from the rows of all providers.
"""

from dataclasses import dataclass


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
