"""What a line makes of a request to send: its plan, and why some recipients are not sent to. Asks nobody, is pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard
from weakref import WeakKeyDictionary

from relay.domain.addresses import Address, AddressKind
from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import Content, Plan, SendRequest
from relay.providerkit.spec import Line, Sends

Refusals = Sequence[Problem | None]


def judged(
    lines: Mapping[str, Line],
    request: SendRequest,
    refusals: Refusals,
    guard: Callable[[Address], Problem | None] = lambda _: None,
) -> tuple[Plan, tuple[Problem | None, ...]]:
    """How a request will be sent, and for each recipient why it will not.

    Args:
        lines: every line, by alias.
        request: what is asked for.
        refusals: what is known already to be wrong with each recipient.
        guard: what else speaks against a recipient that the line could send to.

    Raises:
        Refused: it cannot be sent at all.
    """
    line = lines.get(request.line)
    if line is None:
        raise _refused(ErrorCode.UNKNOWN_LINE, "there is no such line here; `relay status` lists the lines")
    if not _sends(line):
        raise _refused(ErrorCode.UNSUPPORTED, f"the line {request.line!r} does not send")
    kinds = _with_kinds(line, request, refusals)
    if all(kinds):
        raise Refused(next(problem for problem in kinds if problem))
    own = {each.number: alias for alias, each in lines.items()} | {lines[request.line].number: request.line}
    found = tuple(
        refusal or _own_number(request.line, own.get(address.value)) or guard(address)
        for address, refusal in zip(request.to, kinds, strict=True)
    )
    content = Content(
        text=request.text,
        recipients=max(sum(problem is None for problem in found), 1),
        subject=request.subject,
        media=request.media,
        group=request.group,
        send_at=request.send_at,
    )
    return line.plan(content), found


def _with_kinds(line: Sends, request: SendRequest, refusals: Refusals) -> list[Problem | None]:
    takes = line.takes
    return [
        refusal or (None if address.kind in takes else _of_another_kind(place, takes))
        for place, (address, refusal) in enumerate(zip(request.to, refusals, strict=True))
    ]


def _of_another_kind(place: int, takes: frozenset[AddressKind]) -> Problem:
    known = ", ".join(sorted(kind.value for kind in takes))
    return Problem(ErrorCode.INVALID_RECIPIENT, f"`to[{place}]`: this line sends to {known} only")


def _sends(line: Line) -> TypeGuard[Sends]:
    """Whether texts can be sent from a line: what one of its class can, all can.

    To look through a line's capabilities takes longer than all else that is judged of a request.
    """
    sends = _CAPABLE.get(type(line))
    if sends is None:
        sends = _CAPABLE[type(line)] = isinstance(line, Sends)
    return sends


_CAPABLE: WeakKeyDictionary[type, bool] = WeakKeyDictionary()


def _own_number(line: str, owner: str | None) -> Problem | None:
    """A relay that texts itself would answer itself: such a copy is refused. `owner` has the number, if any line."""
    if owner is None:
        return None
    whose = "the line's own number" if owner == line else f"the number of this relay's own line {owner!r}"
    return Problem(ErrorCode.LOOP_SUSPECTED, f"this recipient is {whose}: relay would answer itself")


def _refused(code: ErrorCode, detail: str) -> Refused:
    return Refused(Problem(code, detail))
