"""MMS with attachments, as simulated In-App Messaging takes them."""

import json
from collections.abc import Sequence

import aiohttp
import pytest

from relay.providers.att_inapp.simulator.multipart import SentPart
from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.inapp_people import InAppUser, said, wrongs

ONE = "tel:+12065550101"
RELATED = 'multipart/related; type="application/json"; start="<startpart>"; boundary="frontier"'
REQUEST = json.dumps({"messageRequest": {"addresses": [ONE], "text": "look"}}).encode()
ROOT = (b"Content-Type: application/json; charset=UTF-8\r\nContent-ID: <startpart>", REQUEST)
PICTURE = b"\x89PNG\r\n\x1a\n\x00--frontie\r\n"


def picture(place: int, data: bytes = PICTURE) -> tuple[bytes, bytes]:
    """An attachment, as relay makes it."""
    head = (
        b"Content-Type: image/png\r\n"
        b'Content-Disposition: attachment; name="file%d"; filename="cat%d.png"\r\n'
        b"Content-ID: <file%d>\r\nContent-Transfer-Encoding: binary"
    )
    return head % (place, place, place), data


def body(*parts: tuple[bytes, bytes], boundary: bytes = b"frontier") -> bytes:
    """The parts, with CRLF everywhere."""
    between = b"--" + boundary
    return b"".join(between + b"\r\n%b\r\n\r\n%b\r\n" % part for part in parts) + between + b"--\r\n"


async def test_an_mms_is_taken_and_shows_up_byte_by_byte(
    simulator: Simulator, inapp: InAppUser, clock: ManualClock
) -> None:
    """With each part's own type."""
    answer = await inapp.post(body(ROOT, picture(0), picture(1, b"")), RELATED)
    assert answer.status == 201
    (line,) = said(simulator, "accepted")
    assert (line["sent_as"], line["text"]) == ("mms", "look")
    parts = [{"content_type": "image/png", "filename": "cat0.png", "bytes": len(PICTURE)}]
    assert line["parts"] == [*parts, {"content_type": "image/png", "filename": "cat1.png", "bytes": 0}]
    await clock.advance(2)
    message = await inapp.message((await inapp.ids())[0])
    assert [part["contentName"] for part in message["mmsContent"]] == ["0.smil", "cat0.png", "cat1.png"]
    url = message["mmsContent"][1]["contentUrl"]
    headers = {"Authorization": f"Bearer {inapp.token}"}
    async with inapp.http.get(url, headers=headers) as response:
        assert (await response.read(), response.headers["Content-Type"]) == (PICTURE, "image/png")
    assert simulator.world.violations.lines() == []


async def test_form_data_is_taken_as_well(simulator: Simulator, inapp: InAppUser) -> None:
    """As one of AT&T's kits sends it, here by another library's encoder."""
    with aiohttp.MultipartWriter("form-data") as writer:
        writer.append(REQUEST.decode(), {"Content-Type": "application/json", "Content-ID": "<startpart>"})
        part = writer.append(PICTURE, {"Content-Type": "image/gif", "Content-ID": "0"})
        part.set_content_disposition("attachment", name="file0", filename="katze.gif")
    headers = {"Content-Type": f"multipart/form-data; boundary={writer.boundary}"}
    answer = await inapp.call("POST", "/messages", data=writer, headers=headers)
    assert answer.status == 201
    assert said(simulator, "accepted")[0]["parts"][0] == {
        "content_type": "image/gif",
        "filename": "katze.gif",
        "bytes": len(PICTURE),
    }
    assert simulator.world.violations.lines() == []


async def test_the_root_is_where_start_says(simulator: Simulator, inapp: InAppUser) -> None:
    """Also behind an attachment."""
    assert (await inapp.post(body(picture(0), ROOT), RELATED)).status == 201
    assert said(simulator, "accepted")[0]["text"] == "look"


async def test_attachments_alone_are_a_message(inapp: InAppUser) -> None:
    """A picture needs no text."""
    root = (ROOT[0], json.dumps({"messageRequest": {"addresses": [ONE]}}).encode())
    assert (await inapp.post(body(root, picture(0)), RELATED)).status == 201


async def test_twenty_one_attachments_pass(inapp: InAppUser) -> None:
    """The documents' limit."""
    assert (await inapp.post(body(ROOT, *map(picture, range(21))), RELATED)).status == 201


async def test_one_megabyte_passes(inapp: InAppUser) -> None:
    """The documents' limit, in all."""
    assert (await inapp.post(body(ROOT, picture(0, b"x" * ((1 << 20) - 4))), RELATED)).status == 201


BROKEN = {
    "22 attachments": (body(ROOT, *map(picture, range(22))), RELATED, "attachments"),
    "too large": (body(ROOT, picture(0, b"x" * (1 << 20))), RELATED, "size"),
    "far too large": (body(ROOT, picture(0, b"x" * (5 << 20))), RELATED, "size"),
    "one id twice": (body(ROOT, picture(0), picture(0)), RELATED, "Content-ID"),
    "LF instead of CRLF": (body(ROOT, picture(0)).replace(b"\r\n", b"\n"), RELATED, "multipart"),
    "no end": (body(ROOT, picture(0))[:-4], RELATED, "multipart"),
    "no empty line": (body((b"Content-Type: application/json", b""))[:-40] + b"\r\n--frontier--", RELATED, "multipart"),
    "boundary with a tail": (body(ROOT).replace(b"--frontier\r\n", b"--frontierX\r\n"), RELATED, "multipart"),
    "empty": (b"", RELATED, "multipart"),
    "root of another type": (
        body((b"Content-Type: text/plain\r\nContent-ID: <startpart>", REQUEST)),
        RELATED,
        "messageRequest",
    ),
    "no JSON": (body((ROOT[0], b"{")), RELATED, "body"),
    "no such start": (body(ROOT), RELATED.replace("<startpart>", "<other>"), "start"),
    "no boundary": (body(ROOT), "multipart/related; type=application/json", "boundary"),
    "no parts": (b"--frontier--\r\n", RELATED, "start"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_body_that_is_wrong_is_refused(simulator: Simulator, inapp: InAppUser, name: str) -> None:
    """400 SVC0002, with what is wrong; nothing is sent."""
    data, content_type, part = BROKEN[name]
    answer = await inapp.post(data, content_type)
    assert answer.status == 400
    error = answer.json["RequestError"]["ServiceException"]
    assert (error["MessageId"], error["Variables"]) == ("SVC0002", part)
    assert said(simulator, "accepted") == []


ODD: dict[str, tuple[Sequence[tuple[bytes, bytes]], str]] = {
    "no type": ((ROOT, picture(0)), RELATED.replace('type="application/json"; ', "")),
    "no id": ((ROOT, (b"Content-Type: image/png", b"x")), RELATED),
    "no Content-Type": ((ROOT, (b"Content-ID: <a>", b"x")), RELATED),
    "base64": ((ROOT, (picture(0)[0].replace(b"binary", b"base64"), b"eHg=")), RELATED),
}


@pytest.mark.parametrize("name", ODD)
async def test_what_is_only_odd_is_taken_and_noted(simulator: Simulator, inapp: InAppUser, name: str) -> None:
    """AT&T's gateway might not be as lenient."""
    parts, content_type = ODD[name]
    assert (await inapp.post(body(*parts), content_type)).status == 201
    assert wrongs(simulator) == ["send"]


@pytest.mark.parametrize("data", [b"hello\r\n" + body(ROOT), body(ROOT) + b"bye"])
async def test_what_stands_around_the_parts_is_noted(simulator: Simulator, inapp: InAppUser, data: bytes) -> None:
    """A preamble is allowed by the standard, and by no document of AT&T's."""
    assert (await inapp.post(data, RELATED)).status == 201
    assert wrongs(simulator) == ["send"]


@pytest.mark.parametrize(
    ("headers", "filename"),
    [
        ({"content-disposition": 'attachment; name="x"; filename="a b.png"'}, "a b.png"),
        ({"content-disposition": r'attachment; filename="a\"b.png"'}, 'a"b.png'),
        ({"content-disposition": "attachment; filename=cat.png; filename*=UTF-8''k%C3%A4tze.png"}, "k\u00e4tze.png"),
        ({"content-type": 'image/png; name="cat.png"'}, "cat.png"),
        ({}, None),
    ],
)
def test_a_file_name_stands_in_one_of_several_places(headers: dict[str, str], filename: str | None) -> None:
    """RFC 2183, RFC 2231, and what mail programs do."""
    assert SentPart(headers, b"").filename == filename
