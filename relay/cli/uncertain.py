"""Copies that the provider may or may not have taken, as a person reads of them: since when, and what to do."""

from collections.abc import Sequence
from typing import Any

from relay.cli.words import moment, table

_HEAD = ("copy", "line", "provider", "since", "evidence", "awaited until", "attempts", "client", "request")
_TODO = (
    "",
    "Found out? relay queue resolve COPY --sent, or --not-sent. To send it again: relay queue retry COPY.",
    "relay queue show COPY says what is awaited.",
)


def uncertain_table(copies: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of columns, and what to do."""
    return [*table(_HEAD, [_row(each) for each in copies]), *_TODO]


def said_of(each: dict[str, Any]) -> str:
    """An uncertain copy in words: since when, why, and what to do."""
    detail = (each["error"] or {}).get("detail")
    why = f": {detail}" if detail else ""
    return f"nobody knows since {moment(each['since'])} whether it was taken{why}. {each['advice']}"


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    evidence = each["evidence"] or {"shown_in": "none", "until": None}
    return (
        *(each["copy_id"], each["line"], each["provider"] or "-", moment(each["since"])),
        *(evidence["shown_in"], moment(evidence["until"]), str(each["attempts"])),
        *(each["client"] or "-", each["request_id"]),
    )
