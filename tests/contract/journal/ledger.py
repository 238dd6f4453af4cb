"""Words that opt people out and in, for the tests of the opt-out ledger: three lines, of which two are a group."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from relay.domain.addresses import Address, inbound, outbound
from relay.domain.errors import ErrorCode, Problem, ProviderDetail
from relay.domain.keywords import Keyword
from relay.domain.messages import InboundMessage, MessageClass, Plan, RawAnswer, SendRequest
from relay.journal import Answer
from relay.rules.line import KeywordReply, LineRules, Rules, Scope
from tests.contract.journal.desk import ALICE, LINE, ME, Desk

SHOP, OFFICE = LINE, "office"  # the two of them are a group
DESK = "desk"
LINES = (SHOP, OFFICE, DESK)
OWN = {SHOP: "12345", OFFICE: "+12065550100", DESK: "+12065550111"}
PLAN = Plan("gsm-7", 1, 1)
STOPPED = Problem(
    ErrorCode.OPTED_OUT, "the recipient has sent STOP to this number", ProviderDetail(http=200, code="-1234")
)
SAID: Mapping[Keyword, str] = {
    "stop": "You get no more texts. Reply START to come back.",
    "start": "Welcome back.",
    "help": "Write to help@example.com.",
}


def rules(scope: Scope = Scope.ALL, *replies: Keyword, **more: Any) -> Rules:
    """What the operator wants: `replies` are the keywords that are answered."""
    answers = {one: KeywordReply(SAID[one], PLAN) for one in replies}
    groups = {SHOP: "shop", OFFICE: "shop", DESK: None}
    return Rules({line: LineRules(line, group=groups[line], replies=answers, **more) for line in LINES}, scope)


async def says(
    desk: Desk,
    words: str,
    *,
    line: str = LINE,
    sender: Address | str = ALICE,
    at: datetime | None = None,
    recipient: str | None = None,
) -> str:
    """Somebody writes; `at` is when, by the provider's clock. Gives the message's id."""
    who = inbound(sender) if isinstance(sender, str) else sender
    message = InboundMessage(who, recipient or OWN[line], words, provider_time=at or desk.clock.now())
    kept = await desk.journal.raw.keep(line, "inbox", "", "", RawAnswer(b"bytes", "application/json"))
    await desk.journal.raw.understood(kept, messages=[message])
    return str((await desk.bodies("message"))[-1]["message_id"])


async def ask(desk: Desk, *to: Address, line: str = LINE, what: MessageClass = MessageClass.NORMAL) -> list[str]:
    """What would become of a text: the code of each recipient's refusal, or the status."""
    request = SendRequest(line, None, None, "digest", to or (ALICE,), "Hello", message_class=what)
    found = await desk.journal.commands.checked(request, PLAN, [None] * len(request.to))
    copies = found.body["check"]["copies"]
    return [copy["error"]["code"] if copy.get("error") else copy["status"] for copy in copies]


async def reaches(desk: Desk, line: str = LINE, to: Address = ALICE) -> bool:
    """Whether texts of this line may go to somebody."""
    return await ask(desk, to, line=line) == ["queued"]


async def is_refused(desk: Desk, line: str = LINE, to: Address = ALICE) -> str:
    """The provider refuses a text because its recipient had sent STOP; gives the copy's id."""
    answer = await desk.send(to, line=line)
    call = await desk.claim(line)
    assert await desk.journal.calls.refused(call.call_id, ME, STOPPED)
    return copy_of(answer)


def copy_of(answer: Answer) -> str:
    """The id of an answer's first copy."""
    return str(answer.body["copies"][0]["copy_id"])


async def sent(desk: Desk, line: str = LINE) -> list[str]:
    """What goes out on a line now, until nothing is due."""
    texts: list[str] = []
    while call := await desk.journal.calls.claim(line, ME):
        await desk.hand_over(call)
        texts += [str(call.text)] * len(call.recipients)
    return texts


def numbered(count: int) -> list[Address]:
    """Many people."""
    return [outbound(f"+1206556{number:04}") for number in range(count)]


def ago(desk: Desk, **duration: float) -> datetime:
    """A time that has passed."""
    return desk.clock.now() - timedelta(**duration)
