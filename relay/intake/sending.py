"""What a line makes of a request to send: its plan, and why some recipients are not sent to. Asks nobody, is pure."""

from collections.abc import Mapping, Sequence

from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import Content, Plan, SendRequest
from relay.providerkit.spec import Line, Sends

Refusals = Sequence[Problem | None]


def judged(
    lines: Mapping[str, Line], request: SendRequest, refusals: Refusals
) -> tuple[Plan, tuple[Problem | None, ...]]:
    """How a request will be sent, and for each recipient why it will not.

    Args:
        lines: every line, by alias.
        request: what is asked for.
        refusals: what is known already to be wrong with each recipient.

    Raises:
        Refused: it cannot be sent at all.
    """
    line = lines.get(request.line)
    if line is None:
        raise _refused(ErrorCode.UNKNOWN_LINE, "there is no such line here; `relay status` lists the lines")
    if not isinstance(line, Sends):
        raise _refused(ErrorCode.UNSUPPORTED, f"the line {request.line!r} does not send")
    kinds = _with_kinds(line, request, refusals)
    if all(kinds):
        raise Refused(next(problem for problem in kinds if problem))
    found = tuple(
        refusal or _own_number(lines[request.line], address.value)
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
    known = ", ".join(sorted(kind.value for kind in line.takes))
    return [
        refusal
        or (
            None
            if address.kind in line.takes
            else Problem(ErrorCode.INVALID_RECIPIENT, f"`to[{place}]`: this line sends to {known} only")
        )
        for place, (address, refusal) in enumerate(zip(request.to, refusals, strict=True))
    ]


def _own_number(line: Line, address: str) -> Problem | None:
    """A line that texts itself would answer itself: such a copy is refused."""
    if address != line.number:
        return None
    return Problem(ErrorCode.LOOP_SUSPECTED, "this recipient is the line's own number")


def _refused(code: ErrorCode, detail: str) -> Refused:
    return Refused(Problem(code, detail))
