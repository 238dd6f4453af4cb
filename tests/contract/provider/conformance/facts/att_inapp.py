"""AT&T's In-App Messaging, for the conformance suite."""

import base64
import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

from relay.domain.errors import ConsentRequired, ErrorCode, NotAuthorized, NotReady, Refused, TryLater
from relay.domain.messages import Content, Media
from relay.domain.states import Fact
from relay.providers.att_inapp.codes import ERRORS, INDEX_STATUSES
from relay.simulator.app import Simulator
from tests.contract.provider.conformance import gsma
from tests.contract.provider.conformance.calls import CODE, MESSAGE_ID, a_call
from tests.contract.provider.conformance.known import Code, Exchange, Facts, Planned, Read, Reply, example

NAME = "att-inapp"
SOMEBODY = "+12065550001"
TOKEN = {
    "access_token": "marked~access~token",
    "token_type": "bearer",
    "expires_in": 172_800,
    "refresh_token": "marked~refresh~token",
}
OPENAPI = "OpenAPI of In-App Messaging v2"
NOON = datetime(2026, 4, 19, 14, 30, tzinfo=UTC)
SENDING = "In-App Messaging: Send Message"
PICTURE = Media("image/png", "map.png", b"PNG")


async def consent(line: Any) -> None:
    """The subscriber agrees."""
    await line.take_consent(CODE, "http://127.0.0.1:9/consent/line/secret")


def with_parts(simulator: Simulator) -> None:
    """An MMS comes in."""
    part = {"content_type": "image/png", "name": "map.png", "data": base64.b64encode(b"PNG").decode()}
    simulator.act(NAME, "receive", {"from": SOMEBODY, "text": "Look", "parts": [part]})


def message(mail: Any) -> Any:
    """What a message is."""
    return mail.sender.value, mail.recipient, mail.text, mail.subject, mail.provider_time


async def send(line: Any) -> Any:
    """A text to one."""
    return await line.send(a_call(SOMEBODY))


async def prepare(line: Any) -> Any:
    """Have the index ready."""
    return await line.prepare_mailbox()


refused = partial(gsma.refused, send)


def of_index(status: str, error: type[Any] | None) -> Code:
    """An index's status; one that is missing is created, and answered alike."""
    body = json.dumps({"messageIndexInfo": {"status": status, "state": "state-1"}}).encode()
    return Code(status, prepare, Reply(body=body), error, ErrorCode.PROVIDER_ERROR if error else None)


FACTS = Facts(
    settings={"number": "+12065550150", "app_key": "demo-inapp-key", "app_secret": "marked-app-secret"},
    accounts={"app_key": "demo-inapp-key", "app_secret": "marked-app-secret", "number": "+12065550150"},
    somebody=SOMEBODY,
    carried="marked~access~token",
    entering=(CODE,),
    secrets=("marked~refresh~token",),
    opening={"/oauth/": Reply(body=json.dumps(TOKEN).encode())},
    prepare=consent,
    with_parts=with_parts,
    reads=(
        Read(
            "message.json",
            f"{OPENAPI}, getMessage",
            lambda line, raw: line.read_mail(MESSAGE_ID, raw),
            message,
            ("+12125551234", "+12065550150", "Hello from the AT&T In-App Messaging API!", "Greeting", NOON),
        ),
    ),
    exchanges=(
        Exchange(
            f"{OPENAPI}, sendMessage",
            lambda line: line.send(
                a_call("+12125551234", text="Hello from the AT&T In-App Messaging API!", subject="Greeting")
            ),
            Reply(201, example(NAME, "sent.json")),
            lambda answer: (answer.ref, [handover.fact for handover in answer.handovers]),
            (None, [Fact.SUBMITTED_UNTRACKED]),
            request="send.json",
        ),
        Exchange(
            f"{OPENAPI}, listMessages",
            lambda line: line.list_mail(50, 50),
            Reply(body=example(NAME, "list.json")),
            lambda page: [(one.ref, one.is_unread, one.is_incoming, one.time) for one in page.entries],
            [("msg-500123", False, True, NOON)],
        ),
        Exchange(
            f"{OPENAPI}, getMessage",
            lambda line: line.get_mail(MESSAGE_ID),
            Reply(body=example(NAME, "message.json")),
            lambda stored: (stored.entry.ref, stored.entry.is_unread, *message(stored.mail)),
            (
                *("msg-500123", False, "+12125551234", "+12065550150"),
                *("Hello from the AT&T In-App Messaging API!", "Greeting", NOON),
            ),
        ),
        Exchange(
            f"{OPENAPI}, updateMessage",
            lambda line: line.update_mail(MESSAGE_ID, is_unread=False),
            Reply(body=example(NAME, "updated.json")),
            lambda nothing: nothing,
            None,
            request="update.json",
        ),
        Exchange(
            f"{OPENAPI}, createMessageIndex",
            prepare,
            Reply(body=example(NAME, "index.json")),
            lambda nothing: nothing,
            None,
        ),
        Exchange(
            f"{OPENAPI}, getInboxDelta",
            lambda line: line.fetch_changes("state-a1b2c3d4"),
            Reply(body=example(NAME, "delta.json")),
            lambda changes: (changes.cursor, [one.ref for one in changes.added], changes.updated, changes.deleted),
            ("state-e5f6g7h8", ["msg-500789"], (), ()),
        ),
    ),
    plans=(
        Planned(Content("é" * 160), SENDING, "sms", 320),
        Planned(Content("Hello", group=True), SENDING, "sms", 5),
        Planned(Content("a" * 161), f"{SENDING} (MMS)", "mms", 161),
        Planned(Content("☎"), f"{SENDING} (MMS)", "mms", 3),
        Planned(Content("Hello", recipients=2, group=True), f"{SENDING} (MMS)", "mms", 5),
        Planned(Content("Hello", subject="Ö"), f"{SENDING} (MMS)", "mms", 7),
        Planned(Content("Hello", media=(PICTURE, PICTURE)), f"{SENDING} (MMS)", "mms", 11),
        Planned(Content(None, media=(PICTURE,)), f"{SENDING} (MMS)", "mms", 3),
    ),
    codes=(
        *refused("SVC0001", 400, TryLater, ErrorCode.PROVIDER_ERROR),
        *refused("SVC0001", 400, Refused, ErrorCode.INVALID_RECIPIENT, text="the MSISDN is a landline"),
        *refused("SVC0002", 400, Refused, ErrorCode.PROVIDER_REFUSED, about="text"),
        *refused("SVC0002", 400, Refused, ErrorCode.INVALID_RECIPIENT, about="addresses"),
        *refused("SVC0003", 400, Refused, ErrorCode.PROVIDER_REFUSED, about="group"),
        *refused("SVC0004", 400, Refused, ErrorCode.INVALID_RECIPIENT, about="addresses"),
        *refused("POL0001", 403, NotAuthorized, ErrorCode.UNAUTHORIZED),
        *refused("POL0002", 403, ConsentRequired, ErrorCode.CONSENT_REQUIRED),
        *refused("POL0003", 403, Refused, ErrorCode.INVALID_RECIPIENT),
        *refused("POL0013", 400, Refused, ErrorCode.INVALID_RECIPIENT),
        of_index("INITIALIZED", None),
        of_index("COMPLETE", None),
        of_index("IN_PROGRESS", NotReady),
        of_index("INITIALIZING", NotReady),
        of_index("NOT_INITIALIZED", NotReady),
        of_index("ERROR", NotReady),
    ),
    documented=frozenset({*ERRORS, *INDEX_STATUSES, "POL0002"}),
)
