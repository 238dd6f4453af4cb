"""messaging/send at simulated Landline Texting, the attachments that come in, and what the document forbids."""

import json
from base64 import b64encode
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from relay.providerkit.simulated import World
from relay.providers.att_landline.formdata import FilePart
from relay.providers.att_landline.simulator.attachments import Attachments
from relay.providers.att_landline.simulator.failures import LandlineError
from relay.providers.att_landline.simulator.texts import Texts
from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import SESSION, Answer, LandlineUser, Listener, read

LINE, ONE, TWO = "+12065550100", "+12065550101", "+12065550102"


async def mms(
    http: aiohttp.ClientSession, *files: tuple[str, str, bytes], to: str = ONE, body: str | None = "Look", **more: str
) -> Answer:
    """messaging/send, as documented: files are (field, type, bytes)."""
    query = {"session": SESSION, "to": to, **({} if body is None else {"body": body}), **more}
    data = aiohttp.FormData() if files else None
    for name, content_type, content in files:
        assert data is not None
        data.add_field(name, BytesIO(content), content_type=content_type, filename=f"{name}.bin")
    return await read(http.post("/messaging/send", params=query, data=data))


def violations(simulator: Simulator) -> list[str]:
    """What was done against the document."""
    return [line["what"] for line in simulator.world.violations.lines()]


def _lines(simulator: Simulator, what: str) -> list[dict[str, Any]]:
    return [line for line in simulator.world.ledger.lines() if line["what"] == what]


async def test_an_mms_is_queued_under_a_bare_number(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """Above 2^53; what was sent stands in the ledger."""
    answer = await mms(http, ("image1", "image/png", b"PNG"), ("image2", "image/gif", b"GIF"))
    response = answer.json["response"]
    assert (answer.status, answer.json["success"], response["status"]) == (200, True, "queued")
    assert isinstance(response["id"], int)
    assert response["id"] > 2**53
    (accepted,) = _lines(simulator, "accepted")
    assert (accepted["to"], accepted["text"], accepted["ref"]) == (ONE, "Look", str(response["id"]))
    assert [(file["name"], file["bytes"]) for file in accepted["files"]] == [("image1", 3), ("image2", 3)]
    assert violations(simulator) == []


@pytest.mark.parametrize(
    ("files", "body"),
    [
        ([], "a" * 700),
        ([], "\u00e9" * 350),
        ([("file", "text/plain", b"a" * 701)], None),
        ([("image", "image/jpeg", b"x" * 599_996)], "Look"),
    ],
)
async def test_the_limits_themselves_pass(
    simulator: Simulator, http: aiohttp.ClientSession, files: list[tuple[str, str, bytes]], body: str | None
) -> None:
    """700 bytes, 600 kB, and no body at all."""
    assert (await mms(http, *files, body=body)).json["success"] is True
    assert violations(simulator) == []


@pytest.mark.parametrize(
    ("files", "changes", "said", "forbidden"),
    [
        ([], {"to": "2065550101"}, "e164", "`to`"),
        ([], {"to": "+1206856"}, "+1206856", "`to`"),
        ([], {"to": "+12065550115"}, "e164", None),
        ([], {"body": "a" * 701}, "too long", "701 bytes"),
        ([], {"body": None}, "body or an attachment", None),
        ([("image", "image/webp", b"x")], {}, "attachment type", "a type"),
        ([("file", "application/pdf", b"x")], {}, "attachment type", "a type"),
    ],
    ids=["ten digits", "short", "invalid", "long", "nothing", "webp", "pdf"],
)
async def test_what_is_wrong_is_said_in_words(
    simulator: Simulator,
    http: aiohttp.ClientSession,
    files: list[tuple[str, str, bytes]],
    changes: dict[str, Any],
    said: str,
    forbidden: str | None,
) -> None:
    """`errorDesc`, no code; and whoever follows the document does not get there."""
    answer = await mms(http, *files, **changes)
    assert answer.status == 200
    assert answer.json.keys() == {"success", "errorDesc"}
    assert said in answer.json["errorDesc"]
    assert _lines(simulator, "accepted") == []
    assert [forbidden in what for what in violations(simulator) if forbidden] == ([True] if forbidden else [])


@pytest.mark.parametrize("size", [600_001, 2_000_000])
async def test_too_much_is_refused_by_the_web_server(
    simulator: Simulator, http: aiohttp.ClientSession, size: int
) -> None:
    """With a page of its own."""
    answer = await mms(http, ("image", "image/png", b"x" * size), body=None)
    assert answer.status == 413
    assert "413 Request Entity Too Large" in answer.text
    assert answer.headers["Content-Type"].startswith("text/html")
    assert _lines(simulator, "accepted") == []


@pytest.mark.parametrize(
    ("number", "said"), [("+12065550123", "carrier"), ("+12065550120", "Internal Error"), ("+12065550121", "Unknown")]
)
async def test_a_number_s_fate_is_told_in_words(
    simulator: Simulator, http: aiohttp.ClientSession, number: str, said: str
) -> None:
    """Those of the code that message/send has."""
    assert said in (await mms(http, to=number)).json["errorDesc"]
    assert bool(_lines(simulator, "accepted")) == (said == "Unknown")


async def test_a_fault_finds_its_line_whatever_the_size(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """A body that is too large to be read tells its session by the query."""
    match = {"service": "att-landline", "operation": "mms", "line": LINE}
    simulator.world.faults.add({"match": match, "do": "status", "status": 503})
    assert (await mms(http, ("image", "image/png", b"x" * 2_000_000))).status == 503


async def test_a_file_where_none_belongs_is_noted(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """message/send has no attachments."""
    data = aiohttp.FormData({"session": SESSION, "contacts": ONE, "body": "Hi"}, default_to_multipart=True)
    data.add_field("image", b"x", filename="a.png")
    assert (await read(http.post("/message/send", data=data))).json["success"] is True
    assert violations(simulator) == ["a file; right is none", BAD_TYPE]


BAD_TYPE = "a body that is no form; right is application/x-www-form-urlencoded"


async def test_mms_has_to_be_enabled(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """On the line."""
    simulator.set_modes("att-landline", {"mms": False})
    assert "not enabled" in (await mms(http)).json["errorDesc"]


async def test_stop_holds_for_an_mms_too(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """And UNSTOP ends it."""
    simulator.world.handset.text(ONE, LINE, "STOP")
    assert "STOP" in (await mms(http)).json["errorDesc"]
    simulator.world.handset.text(ONE, LINE, "UNSTOP")
    assert (await mms(http)).json["success"] is True


@pytest.mark.parametrize(
    ("change", "forbidden"),
    [
        ({"scheduledDate": "1447707527000"}, "scheduledDate"),
        ({"odd name": "x"}, "(odd name)"),
    ],
)
async def test_a_field_that_is_not_documented_is_noted(
    simulator: Simulator, http: aiohttp.ClientSession, change: dict[str, str], forbidden: str
) -> None:
    """The request is answered as ever."""
    assert (await mms(http, **change)).json["success"] is True
    assert [forbidden in what for what in violations(simulator)] == [True]


async def test_a_file_field_of_another_name_is_noted(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """The document shows image, image1 and on, and file."""
    assert (await mms(http, ("picture", "image/png", b"x"))).json["success"] is True
    assert ["another name" in what for what in violations(simulator)] == [True]


async def test_fields_of_an_mms_belong_into_the_query(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """As all samples show."""
    data = aiohttp.FormData({"session": SESSION, "to": ONE, "body": "Hi"}, default_to_multipart=True)
    assert (await read(http.post("/messaging/send", data=data))).json["success"] is True
    assert violations(simulator) == [f"{name} in the form; right is the query" for name in ("body", "session", "to")]


async def test_a_second_recipient_is_noted_and_refused(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """An MMS goes to one."""
    query = [("session", SESSION), ("to", ONE), ("to", TWO), ("body", "Hi")]
    answer = await read(http.post("/messaging/send", params=query))
    assert answer.json["success"] is False
    assert violations(simulator) == ["to 2 times; right is once", "`to` is no number; right is one number in E.164"]


@pytest.mark.parametrize(
    ("path", "fields", "forbidden"),
    [
        ("/webhook/update", {"method": "PUT"}, "no webhookId; right is to send it"),
        ("/webhook/add", {"type": "message", "event": "receive"}, "no url; right is to send it"),
        ("/messageAttachment/list", {}, "no messageId; right is to send it"),
        ("/hostedContent/get", {}, "no storageKey; right is to send it"),
        ("/webhook/list", {"type": "message"}, "the field type; right is none but session"),
        ("/message/send", {"contacts": ONE, "body": "x", "scheduledDate": "14477075270000"}, "a date of 14 digits"),
    ],
)
async def test_what_the_document_requires_is_required(
    simulator: Simulator, landline: LandlineUser, path: str, fields: dict[str, str], forbidden: str
) -> None:
    """A request that lacks it, or has more, is noted."""
    await landline.call(path, *fields.items())
    (what,) = violations(simulator)
    assert what.startswith(forbidden)


async def test_a_session_in_an_address_is_noted(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """It would be in every log; a POST has a body."""
    await read(http.get("/webhook/list", params={"session": SESSION}))
    assert violations(simulator) == ["session in the query; right is the body of a POST"]


async def test_a_body_that_is_no_form_is_noted(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """JSON is not understood."""
    answer = await read(http.post("/message/send", json={"session": SESSION}))
    assert answer.status == 403
    assert any("no form" in what for what in violations(simulator))


@pytest.mark.parametrize("smil", [True, False])
async def test_an_mms_that_comes_in_is_listed_after_a_while(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener, smil: bool
) -> None:
    """The web hook says that there is more; the list has no `success`; the content is bare bytes."""
    simulator.set_modes("att-landline", {"smil": smil, "storing_seconds": 30})
    await landline.hook("receive", f"{listener.url}/receive")
    part = {"content_type": "image/jpeg", "filename": "IMG_1827.jpg", "data": b64encode(b"JPG").decode()}
    simulator.act("att-landline", "receive", {"from": ONE, "text": "Look", "parts": [part]})
    await clock.advance(0)
    ((_, _, told),) = listener.heard
    assert (told["hasAttachment"], told["body"]) == (True, "Look")
    wanted = ("messageId", str(told["id"]))
    assert (await landline.call("/messageAttachment/list", wanted)).json == {"total": 0, "response": []}
    await clock.advance(30)
    answer = (await landline.call("/messageAttachment/list", wanted)).json
    assert answer.keys() == {"total", "response"}
    assert [entry["mimeType"] for entry in answer["response"]] == ["image/jpeg", "application/smil"][: answer["total"]]
    assert answer["total"] == 1 + smil
    entry = answer["response"][0]
    assert (entry["fileName"], entry["fileSizeBytes"]) == ("IMG_1827.jpg", 3)
    content = await landline.call("/hostedContent/get", ("storageKey", entry["storageKey"]))
    assert (content.text, content.headers["Content-Type"]) == ("JPG", "application/octet-stream")


@pytest.mark.parametrize(
    "body",
    [
        b'--x\r\nContent-Disposition: form-data; name="\xff\x7f"\r\n\r\n-15\r\n--x--\r\n',
        b"--x\r\nno header at all\r\n\r\n--x--\r\n",
        b"nothing",
    ],
)
async def test_nonsense_is_a_bad_request(http: aiohttp.ClientSession, body: bytes) -> None:
    """Rather than breaking the simulator."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await read(http.post("/messaging/send", params={"session": SESSION}, data=body, headers=headers))
    assert (answer.status, answer.json["success"]) in {(400, False), (200, False)}


async def test_attachments_are_not_remembered_without_end(world: World) -> None:
    """The oldest go, with their keys."""
    texts = Texts(world)
    attachments = Attachments(world, texts)
    ids = []
    for _ in range(10_001):
        ids.append(texts.new(LINE, ONE, "x", "MO", 4).id)
        attachments.store(ids[-1], LINE, [FilePart("image", "a.png", "image/png", b"x")], 0)
    newest = json.loads(attachments.list(LINE, {"messageId": str(ids[-1])}).text or "")["response"]
    assert attachments.get(LINE, {"storageKey": newest[0]["storageKey"]}).body == b"x"
    with pytest.raises(LandlineError):
        attachments.list(LINE, {"messageId": str(ids[0])})


@pytest.mark.parametrize(
    ("path", "field"), [("/messageAttachment/list", "messageId"), ("/hostedContent/get", "storageKey")]
)
async def test_what_is_unknown_is_a_bad_argument(landline: LandlineUser, path: str, field: str) -> None:
    """-703."""
    for unknown in ("17", "\u00b2", "nothing"):
        assert (await landline.call(path, (field, unknown))).json["response"]["code"] == -703


@pytest.mark.parametrize(
    "facts",
    [
        {"from": ONE, "line": "+12065559999"},
        {"text": "x"},
        {"from": ONE, "parts": "x"},
        {"from": ONE, "parts": ["x"]},
        {"from": ONE, "parts": [{"data": ""}]},
        {"from": ONE, "parts": [{"content_type": "image/png"}]},
        {"from": ONE, "parts": [{"content_type": "image/png", "data": "?"}]},
    ],
)
async def test_an_mms_with_wrong_facts_is_refused(simulator: Simulator, facts: dict[str, Any]) -> None:
    """With what would be right."""
    with pytest.raises(ValueError, match="is to be"):
        simulator.act("att-landline", "receive", facts)
    assert _lines(simulator, "received") == []


async def test_the_attachments_of_what_was_sent_are_listed(http: aiohttp.ClientSession, landline: LandlineUser) -> None:
    """Under the id that the send was answered with."""
    sent = (await mms(http, ("image", "image/png", b"PNG"))).json["response"]["id"]
    answer = await landline.call("/messageAttachment/list", ("messageId", str(sent)))
    assert [entry["mimeType"] for entry in answer.json["response"]] == ["image/png"]
