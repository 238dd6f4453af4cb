"""What a send request would become -> the answer to `check`: the rules' own words, and nothing is kept of it."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from relay.domain.addresses import Address
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import Plan, SendRequest
from relay.domain.states import Status
from relay.journal.answers import first_entry, result
from relay.journal.codec import timestamp
from relay.journal.terms import Due, Judged


def checked(
    request: SendRequest, plan: Plan, judged: Judged, *, duplicates: int, expires_at: datetime | None
) -> dict[str, Any]:
    """The result of a check: what a send request would become.

    Args:
        request: what is asked about.
        plan: how it would be sent.
        judged: what the rules of sending say of it.
        duplicates: how many recipients were named more than once.
        expires_at: when what is left of it would not be sent any more.
    """
    going = [due for due, problem in zip(judged.due, judged.refusals, strict=True) if problem is None]
    calls = sum(-(-copies // plan.recipients_per_call) for copies in Counter(going).values())
    counted = {"encoding": plan.encoding, "segments": plan.segments, "sent_as": plan.sent_as, "calls": calls}
    check = {
        "recipients": len(request.to),
        "duplicates": duplicates,
        **_refused(judged.refusals),
        "copies": [
            _entry(address, problem, due)
            for address, problem, due in zip(request.to, judged.refusals, judged.due, strict=True)
        ],
        **_times(going, expires_at),
        **counted,
        "bytes": plan.size,
        "api": plan.api,
        "waits_for": {"provider": len(going)} if judged.provider_waits else _waits_for(going),
    }
    return result("checked", request.key, request.ref, metadata=request.metadata, **counted, check=check)


def _refused(refusals: Sequence[Problem | None]) -> dict[str, int]:
    codes = [problem.code for problem in refusals if problem]
    opted_out = codes.count(ErrorCode.OPTED_OUT)
    return {"opted_out": opted_out, "refused": len(codes) - opted_out}


def _entry(address: Address, problem: Problem | None, due: Due) -> dict[str, Any]:
    if problem is not None:
        return first_entry(address.value, Status.FAILED, problem, None)
    if due.why is None:
        return first_entry(address.value, Status.QUEUED, None, None)
    return first_entry(address.value, Status.SCHEDULED, None, due.at)


def _times(going: Sequence[Due], expires_at: datetime | None) -> dict[str, Any]:
    """When the first and the last copy are due, when they expire, and how many do so before they are due."""
    dues = [due.at for due in going]
    return {
        "due_at": timestamp(min(dues, default=None)),
        "last_due_at": timestamp(max(dues, default=None)),
        "expires_at": timestamp(expires_at),
        "expiring": sum(expires_at is not None and at >= expires_at for at in dues),
    }


def _waits_for(going: Sequence[Due]) -> dict[str, int]:
    """How many copies wait for what."""
    return dict(Counter(due.why.value for due in going if due.why is not None))
