"""What is told of a copy's change: whether there is a receipt, and whether it is the final one or a late one.

Every copy gets exactly one receipt with `final: true`. What comes after it is `late`, and is told where it teaches
something (contract, section 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relay.domain.errors import Problem
from relay.domain.states import Fact, State, advance


@dataclass(frozen=True, slots=True)
class Change:
    """What a fact did to a copy. `told`: a receipt is due; `final` and `late` are the receipt's."""

    before: State
    after: State
    told: bool
    final: bool
    late: bool


def change(before: State, fact: Fact, *, ended: bool, receipts: bool) -> Change:
    """What `fact` does to a copy in `before`.

    Args:
        before: the copy's state.
        fact: what happened.
        ended: its final receipt has been told already.
        receipts: the request asked for every receipt, not for the final one only.

    Raises:
        IllegalTransition: the fact cannot be true of this copy.
    """
    after = advance(before, fact)
    final = after.final and not ended
    worth_telling = after is not before and after.rank >= State.UNCERTAIN.rank
    return Change(before, after, told=worth_telling and (receipts or final), final=final, late=ended)


@dataclass(frozen=True, slots=True)
class ProviderWord:
    """The provider's own words in a receipt: its id for the copy, its status and its code."""

    message_id: str | None = None
    status: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiptContext:
    """What a receipt repeats of its request."""

    request_id: str
    message_id: str
    copy_id: str
    to: str
    attempt: int
    metadata: Mapping[str, Any] | None = None


def receipt_body(
    about: ReceiptContext, what: Change, word: ProviderWord | None = None, problem: Problem | None = None
) -> dict[str, Any]:
    """The `data` of a receipt (contract, section 4)."""
    word = word or ProviderWord()
    return {
        "request_id": about.request_id,
        "message_id": about.message_id,
        "copy_id": about.copy_id,
        "to": about.to,
        "status": what.after.status.value,
        "previous": what.before.status.value,
        "final": what.final,
        "confirmed": what.after.confirmed,
        "late": what.late,
        "attempt": about.attempt,
        "provider": {"message_id": word.message_id, "status": word.status, "code": word.code},
        "error": problem.as_body() if problem else None,
        "metadata": about.metadata,
    }
