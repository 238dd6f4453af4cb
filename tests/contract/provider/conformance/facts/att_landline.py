"""AT&T's Landline Texting, for the conformance suite.

The samples of its documentation are damaged (wire facts, 5, no. 5); the examples are what they are meant to be.
"""

import base64
import json
from datetime import UTC, datetime
from typing import Any

from relay.domain.errors import ErrorCode, OutcomeUnknown, Refused, RefusedForNow, TryLater
from relay.domain.messages import Content, Media, RawAnswer
from relay.domain.states import Fact
from relay.providers.att_landline.codes import NOT_SENT, PROGRESS
from relay.simulator.app import Simulator
from tests.contract.provider.conformance.calls import MESSAGE_ID, a_call
from tests.contract.provider.conformance.known import Code, Exchange, Facts, Planned, Read, Reply, example

NAME = "att-landline"
SESSION = "11111111-2222-3333-4444-555555555555:7"
ONE = {"session": "3d0f1dde-aaff-4ce8-b61a-af212a860abc:123456789"}
MANY = {"session": "8762f385-22a0-4675-9aaf-949602f3edde:304397802"}
LOGIN = {"username": "2065550100", "password": "marked-password"}
SOMEBODY = "+14257770001"
DOCUMENTATION = "Landline Texting documentation"
HOOK_URL = "https://test.api-landlinetexting.att.com/message/receive"
TEXTS, MMS = "Landline Texting: Message/Send", "Landline Texting: MMS Send"
PICTURE = Media("image/png", "map.png", b"PNG")
LATER = datetime(2026, 11, 22, tzinfo=UTC)


def act(action: str) -> Any:
    """Have something done to a message, on the phone."""
    return lambda simulator, ref: simulator.act(NAME, action, {"id": ref})


def with_parts(simulator: Simulator) -> None:
    """An MMS comes in."""
    part = {"content_type": "image/png", "filename": "map.png", "data": base64.b64encode(b"PNG").decode()}
    simulator.act(NAME, "receive", {"from": SOMEBODY, "text": "Look", "parts": [part]})


def sent(answer: Any) -> Any:
    """The copies' ids."""
    return [(handover.ref, handover.fact) for handover in answer.handovers]


async def send(line: Any) -> Any:
    """A text to one."""
    return await line.send(a_call(SOMEBODY))


def refused(code: int, error: type[Any], leads_to: ErrorCode) -> list[Code]:
    """A row of "Status Codes: Message Not Sent" as the answer to a send; with HTTP 200 as with 400."""
    body = json.dumps({"response": {"code": code, "desc": "An error"}, "success": False}).encode()
    return [Code(str(code), send, Reply(status, body), error, leads_to) for status in (200, 400)]


def told_by_hook(code: int, fact: Fact, problem: ErrorCode | None = None) -> Code:
    """A code in a web hook."""
    fields = {"id": 634151298329219072, "messageType": "ZO", "statusCode": code, "finalDestination": "4257770001"}

    async def read(line: Any) -> Any:
        (report,) = line.read_hook("progress", RawAnswer(json.dumps(fields).encode(), "application/json")).reports
        return report.fact, report.problem and report.problem.code

    return Code(str(code), read, Reply(), None, (fact, problem))


FACTS = Facts(
    settings={"number": "+12065550100", "session": SESSION, "mms": True},
    accounts={"number": "+12065550100", "session": SESSION, **LOGIN},
    somebody=SOMEBODY,
    variants=({}, {"session": None, **LOGIN}),
    carried=SESSION,
    opening={"/user/login": Reply(body=json.dumps({"success": True, "response": SESSION}).encode())},
    cause={
        "receive": lambda simulator, _: simulator.world.handset.text(sender=SOMEBODY, to="+12065550100", text="Hello"),
        "send": lambda _, __: None,  # every text that is sent has these two
        "progress": lambda _, __: None,
        "read": act("read"),
        "delete": act("delete"),
    },
    with_parts=with_parts,
    reads=(
        Read(
            "receive.json",
            f"{DOCUMENTATION}, Events, Example Payload",
            lambda line, raw: line.read_hook("receive", raw),
            lambda reading: [(one.sender.value, one.recipient, one.text, one.ref) for one in reading.messages],
            [
                (
                    "+14257772222",
                    "+14257772300",
                    "Thanks for texting, this is an auto reply!",
                    "634151298329219072",
                )
            ],
        ),
    ),
    exchanges=(
        Exchange(
            f"{DOCUMENTATION}, Send to One Individual Contact",
            lambda line: line.send(a_call("+18559479447", text="Hello World, from AT&T Landline Texting!")),
            Reply(body=example(NAME, "sent_one.json")),
            sent,
            [("327545678963723008", Fact.SUBMITTED)],
            request="send_one.txt",
            settings=ONE,
        ),
        Exchange(
            f"{DOCUMENTATION}, Send to Multiple Individual Contacts",
            lambda line: line.send(a_call("+12068597896", "+14257772300", text="asdf")),
            Reply(body=example(NAME, "sent_many.json")),
            sent,
            [("666345808406650881", Fact.SUBMITTED), ("666345808406650882", Fact.SUBMITTED)],
            request="send_many.txt",
            settings=MANY,
        ),
        Exchange(
            f"{DOCUMENTATION}, Output Parameters",
            lambda line: line.send(a_call("+12065551212", text="é" * 200)),
            Reply(body=example(NAME, "queued.json")),
            sent,
            [("664883126574915584", Fact.SUBMITTED)],
        ),
        Exchange(
            f"{DOCUMENTATION}, Install Web Hooks",
            lambda line: line.install_hook("receive", HOOK_URL),
            Reply(body=example(NAME, "hooks.json")),
            lambda nothing: nothing,
            None,
            request="hook_add.txt",
            settings=ONE,
        ),
        Exchange(
            f"{DOCUMENTATION}, List Web Hooks",
            lambda line: line.list_hooks(),
            Reply(body=example(NAME, "hooks.json")),
            lambda hooks: [(hook.provider_id, hook.event, hook.url, hook.method) for hook in hooks],
            [("687557714", "receive", HOOK_URL, "POST")],
        ),
        Exchange(
            f"{DOCUMENTATION}, Delete Web Hooks",
            lambda line: line.remove_hook("687557714"),
            Reply(body=example(NAME, "hook_deleted.json")),
            lambda nothing: nothing,
            None,
            request="hook_delete.txt",
            settings=ONE,
        ),
        Exchange(
            f"{DOCUMENTATION}, MMS Retrieve Process",
            lambda line: line.list_parts(MESSAGE_ID),
            Reply(body=example(NAME, "attachments.json")),
            lambda parts: [(part.content_type, part.filename, part.size, part.ref) for part in parts],
            [("image/jpeg", "IMG_1827.jpg", 40101, "be9396da-a6aa-442c-9406-asdfasdfasdf")],
        ),
    ),
    plans=(
        Planned(Content("é" * 125), TEXTS, "sms", 250),
        Planned(Content("Hello", recipients=16), TEXTS, "sms", 5),
        Planned(Content("Hello", send_at=LATER), TEXTS, "sms", 5, {"scheduling": "provider"}),
        Planned(Content("a" * 251), MMS, "mms", 251),
        Planned(Content("é" * 351), MMS, "mms", 702),
        Planned(Content("Hello", media=(PICTURE,)), MMS, "mms", 8),
        Planned(Content(None, media=(PICTURE, PICTURE)), MMS, "mms", 6),
    ),
    codes=(
        *refused(-1234, Refused, ErrorCode.OPTED_OUT),
        *refused(-855, TryLater, ErrorCode.PROVIDER_ERROR),
        *refused(-801, RefusedForNow, ErrorCode.SPAM_BLOCKED),
        *refused(-704, Refused, ErrorCode.PROVIDER_REFUSED),
        *refused(-703, Refused, ErrorCode.INVALID_REQUEST),
        *refused(-700, Refused, ErrorCode.PROVIDER_REFUSED),
        *refused(-394, Refused, ErrorCode.INVALID_REQUEST),
        *refused(-124, Refused, ErrorCode.CARRIER_UNKNOWN),
        *refused(-1, OutcomeUnknown, ErrorCode.UNCERTAIN),
        told_by_hook(-1234, Fact.REFUSED, ErrorCode.OPTED_OUT),
        told_by_hook(-855, Fact.REFUSED, ErrorCode.PROVIDER_ERROR),
        told_by_hook(-1, Fact.DOUBTED, ErrorCode.UNCERTAIN),
        told_by_hook(0, Fact.DELIVERED_UNCONFIRMED),
        told_by_hook(1, Fact.SUBMITTED),
        told_by_hook(2, Fact.SUBMITTED),
        told_by_hook(3, Fact.SUBMITTED),
        told_by_hook(4, Fact.DELIVERED),
        told_by_hook(5, Fact.UNDELIVERED),
        told_by_hook(6, Fact.DELIVERED),
        told_by_hook(7, Fact.UNDELIVERED),
    ),
    documented=frozenset(str(row.code) for row in (*NOT_SENT, *PROGRESS)),
)
