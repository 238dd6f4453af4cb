"""What a line makes of a request: its plan, and who is not sent to."""

from dataclasses import dataclass, field

import pytest

from relay.domain.addresses import Address, AddressKind
from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import Content, Plan, SendRequest
from relay.intake.sending import judged

ALICE = Address(AddressKind.E164, "+12065550001", "+12065550001")
BOB = Address(AddressKind.E164, "+12065550002", "+12065550002")
OWN = Address(AddressKind.E164, "+12065550100", "+12065550100")
MAIL = Address(AddressKind.EMAIL, "a@example.com", "a@example.com")
BAD = Problem(ErrorCode.INVALID_RECIPIENT, "no")


@dataclass
class Desk:
    """A line that sends to phone numbers, and remembers what it was asked to plan."""

    alias: str = "desk"
    provider: str = "test"
    number: str = OWN.value
    takes: frozenset[AddressKind] = frozenset({AddressKind.E164})
    planned: list[Content] = field(default_factory=list)

    def plan(self, content: Content) -> Plan:
        """As one text."""
        self.planned.append(content)
        return Plan("gsm7", 1, 10)

    async def send(self, call: object) -> object:
        """Never called here."""
        raise AssertionError(call)

    async def verify(self) -> str:
        """Fine."""
        return "fine"

    async def aclose(self) -> None:
        """Nothing to close."""


def request(*to: Address, line: str = "desk", **more: object) -> SendRequest:
    """A request to send."""
    return SendRequest(line=line, client=None, key="k", digest="d", to=to, text="Hello", **more)  # type: ignore[arg-type]


def found(line: Desk, asked: SendRequest, *refusals: Problem | None) -> list[ErrorCode | None]:
    """The code for each recipient that is not sent to."""
    _, problems = judged({"desk": line}, asked, refusals or (None,) * len(asked.to))
    return [problem.code if problem else None for problem in problems]


def test_recipients_of_a_kind_that_the_line_does_not_take_are_refused_one_by_one() -> None:
    """The others get theirs."""
    assert found(Desk(), request(ALICE, MAIL)) == [None, ErrorCode.INVALID_RECIPIENT]


def test_a_request_with_no_recipient_that_the_line_takes_is_refused() -> None:
    """As one with bad recipients only."""
    with pytest.raises(Refused, match=r"`to\[0\]`: this line sends to e164 only"):
        found(Desk(), request(MAIL))


def test_a_line_never_texts_itself() -> None:
    """It would answer itself for ever."""
    assert found(Desk(), request(OWN, ALICE)) == [ErrorCode.LOOP_SUSPECTED, None]


def test_a_line_never_texts_another_line_of_the_same_relay() -> None:
    """Nor a short code of its own: the two would answer each other for ever."""
    lines = {"desk": Desk(takes=frozenset(AddressKind)), "alerts": Desk("alerts", number="12345")}
    own = Address(AddressKind.SHORT_CODE, "12345", "short:12345")
    foreign = Address(AddressKind.SHORT_CODE, "54321", "short:54321")
    _, problems = judged(lines, request(OWN, own, foreign, ALICE), (None,) * 4)
    assert [problem.code if problem else None for problem in problems] == [
        ErrorCode.LOOP_SUSPECTED,
        ErrorCode.LOOP_SUSPECTED,
        None,
        None,
    ]
    details = [problem.detail for problem in problems if problem]
    assert "the line's own number" in details[0]
    assert "'alerts'" in details[1]
    assert own.value not in details[1]


def test_two_lines_of_one_number_never_text_it() -> None:
    """Each calls it its own."""
    lines = {"desk": Desk(), "till": Desk("till")}
    for line in lines:
        _, (problem, _) = judged(lines, request(OWN, ALICE, line=line), (None, None))
        assert problem is not None
        assert "the line's own number" in problem.detail


def test_a_guard_is_asked_for_those_whom_nothing_else_speaks_against() -> None:
    """What it finds stands in the result; the others are sent to."""
    asked: list[Address] = []

    def guard(address: Address) -> Problem | None:
        asked.append(address)
        return BAD if address == ALICE else None

    line = Desk()
    _, problems = judged({"desk": line}, request(OWN, ALICE, MAIL, BOB), (None,) * 4, guard)
    assert asked == [ALICE, BOB]
    assert problems[1] == BAD
    assert problems[3] is None
    assert [content.recipients for content in line.planned] == [1]


def test_the_plan_is_for_those_who_are_sent_to() -> None:
    """A group's size decides whether it fits into one call."""
    line = Desk()
    found(line, request(ALICE, OWN, MAIL, BAD_ADDRESS, group=True), None, None, None, BAD)
    assert [(content.recipients, content.group) for content in line.planned] == [(1, True)]


BAD_ADDRESS = Address(AddressKind.OTHER, "nobody", "nobody")


@pytest.mark.parametrize(
    ("lines", "code"), [({}, ErrorCode.UNKNOWN_LINE), ({"desk": object()}, ErrorCode.UNSUPPORTED)], ids=["none", "mute"]
)
def test_a_line_that_is_not_there_or_cannot_send_is_named(lines: dict[str, object], code: ErrorCode) -> None:
    """With its own code."""
    with pytest.raises(Refused) as refused:
        judged(lines, request(ALICE), (None,))  # type: ignore[arg-type]
    assert refused.value.problem.code is code
