"""Every operation of In-App Messaging over real sockets: as documented and as served, and nothing that AT&T forbids."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.domain.errors import Gone
from relay.domain.mailbox import MailEntry
from relay.domain.messages import InboundMessage, Sighting
from relay.providers.att_inapp.operations import OPERATIONS
from tests.contract.provider.inapp import FRIEND, IMAGE, NUMBER, REDIRECT, a_call, a_desk

SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("documented", {"shape": "documented"}),
    ("served", {"shape": "served", "errors": "lower", "expires_in_form": "string", "message_ids": "ugly"}),
    (
        "served",
        {"shape": "served", "content_urls": "foreign", "incoming_as": "string", "empty_lists": "null", "rotate": False},
    ),
    ("served", {"shape": "served", "incoming_as": "missing", "empty_lists": "missing", "gone": "SVC0001"}),
]


def cases(operation: str) -> pytest.MarkDecorator:
    """Every shape, marked as this operation."""
    return pytest.mark.parametrize(
        "modes",
        [
            pytest.param(modes, marks=pytest.mark.operation("att-inapp", operation, shape), id=f"{shape}-{place}")
            for place, (shape, modes) in enumerate(SHAPES)
        ],
    )


def calls(logs: list[Any]) -> list[tuple[str, str]]:
    """The calls that were made, as the log has them."""
    return [(log["method"], log["path"]) for log in logs if log["event"] == "provider.call"]


@cases("Send Message")
async def test_a_text_is_sent(modes: dict[str, Any]) -> None:
    """Its recipients have it, once each, as SMS; and no id comes back that anything could be asked by."""
    async with a_desk(**modes) as desk:
        line = await desk.ready()
        answer = await line.send(a_call(FRIEND, "+12065550002", "short:12345", "ann@b.example", text="Grüße"))
        assert (answer.ref, len(answer.handovers)) == (None, 4)
        taken = desk.said("accepted")
        assert [one["to"] for one in taken] == [FRIEND, "+12065550002", "12345", "ann@b.example"]
        assert {(one["text"], one["sent_as"], one["group"]) for one in taken} == {("Grüße", "sms", False)}


@cases("Send Message (MMS with attachments)")
async def test_attachments_are_sent(modes: dict[str, Any]) -> None:
    """To a group, with a subject; each byte as it was."""
    async with a_desk(**modes) as desk:
        line = await desk.ready()
        await line.send(a_call(FRIEND, "+12065550002", group=True, subject="Map", media=(IMAGE,) * 21))
        taken = desk.said("accepted")
        assert {(one["sent_as"], one["group"], one["subject"]) for one in taken} == {("mms", True, "Map")}
        assert {len(one["parts"]) for one in taken} == {21}
        await desk.clock.advance(10)
        page = await line.list_mail(0, 10)
        sent = line.read_mail(page.entries[0].ref, await line.fetch_mail(page.entries[0].ref))
        assert isinstance(sent, Sighting)
        images = [part for part in sent.parts if part.content_type == "image/png"]
        assert [part.filename for part in images] == ["map.png"] * 21
        assert await line.fetch_part(sent.ref, images[0]) == IMAGE.data


@cases("List Messages")
async def test_the_store_is_listed_in_pages(modes: dict[str, Any]) -> None:
    """Newest first, with a cursor from which nothing is missed."""
    async with a_desk(**modes) as desk:
        line = await desk.ready()
        for number in range(5):
            desk.act("receive", **{"from": FRIEND, "text": f"text {number}"})
        pages = [await line.list_mail(offset, 2) for offset in (0, 2, 4)]
        entries = [entry for page in pages for entry in page.entries]
        assert len({entry.ref for entry in entries}) == 5
        assert {page.total for page in pages} == {5}
        assert all(entry.is_unread for entry in entries)
        assert pages[0].cursor
        desk.act("read", ids=[entry.ref for entry in entries[:3]])
        assert [entry.ref for entry in (await line.list_mail(0, 10, unread=True)).entries] == [
            entry.ref for entry in entries[3:]
        ]
        changes = await line.fetch_changes(pages[0].cursor)
        # As documented a cursor is the index's, and older than the list: it then brings all five once more.
        assert {entry.ref for entry in entries[:3]} <= {entry.ref for entry in (*changes.added, *changes.updated)}


@cases("Get Message")
async def test_a_message_is_fetched_with_its_flags(modes: dict[str, Any]) -> None:
    """One that came in, and one that went out from the phone."""
    async with a_desk(**modes) as desk:
        line = await desk.ready()
        received = desk.clock.now()
        desk.act("receive", **{"from": FRIEND, "text": "hello"})
        desk.act("text-from-phone", to=[FRIEND], text="hi")
        await desk.clock.advance(10)
        entries = (await line.list_mail(0, 10)).entries
        stored = [await line.get_mail(entry.ref) for entry in entries]
        came, went = sorted((one.mail for one in stored), key=lambda mail: isinstance(mail, Sighting))
        assert isinstance(came, InboundMessage)
        assert isinstance(went, Sighting)
        assert (came.sender.value, came.recipient, came.text) == (FRIEND, NUMBER, "hello")
        assert ([address.value for address in went.to], went.text) == ([FRIEND], "hi")
        assert came.provider_time == received
        assert {one.entry.is_unread for one in stored} == {True, False}
        with pytest.raises(Gone):
            await line.fetch_mail("no-such-message")


@cases("Get Message Content")
async def test_attachments_are_fetched(modes: dict[str, Any]) -> None:
    """As bytes, whatever host their address names; the layout is none."""
    async with a_desk(**modes) as desk:
        line = await desk.ready()
        parts = [{"content_type": "image/png", "name": "a.png", "data": "iVBORw=="}]
        desk.act("receive", **{"from": FRIEND, "text": "look", "subject": "S", "parts": parts})
        ref = (await line.list_mail(0, 1)).entries[0].ref
        listed = await line.list_parts(ref)
        assert [part.filename for part in listed if part.content_type.startswith("image")] == ["a.png"]
        fetched = {part.content_type: await line.fetch_part(ref, part) for part in listed}
        assert fetched["image/png"] == b"\x89PNG"
        assert "application/smil" not in fetched
        mail = line.read_mail(ref, await line.fetch_mail(ref))
        assert mail.subject == "S"
        assert mail.text == "look" or fetched["text/plain"] == b"look"
        with pytest.raises(Gone):
            await line.fetch_part("no-such-message", listed[0])


@cases("Update Message")
async def test_a_message_is_marked_as_read_and_unread(modes: dict[str, Any]) -> None:
    """Twice does no harm; one that is gone is said to be."""
    async with a_desk(**modes) as desk:
        line = await desk.ready()
        desk.act("receive", **{"from": FRIEND, "text": "hello"})
        ref = (await line.list_mail(0, 1)).entries[0].ref
        for is_unread in (False, False, True):
            await line.update_mail(ref, is_unread=is_unread)
            assert (await line.get_mail(ref)).entry.is_unread is is_unread
        desk.act("delete", id=ref)
        with pytest.raises(Gone):
            await line.update_mail(ref, is_unread=False)


@cases("Delete Message")
async def test_a_message_is_deleted(modes: dict[str, Any]) -> None:
    """Twice is once."""
    async with a_desk(**modes) as desk:
        line = await desk.ready()
        desk.act("receive", **{"from": FRIEND, "text": "hello"})
        ref = (await line.list_mail(0, 1)).entries[0].ref
        await line.delete_mail(ref)
        await line.delete_mail(ref)
        assert (await line.list_mail(0, 1)).entries == ()
        with pytest.raises(Gone):
            await line.get_mail(ref)


@cases("Update Messages")
async def test_several_messages_are_marked_in_one_call(modes: dict[str, Any]) -> None:
    """Those that are wanted while the first is on its way."""
    async with a_desk(**modes) as desk:
        line = await desk.ready()
        for number in range(6):
            desk.act("receive", **{"from": FRIEND, "text": f"text {number}"})
        refs = [entry.ref for entry in (await line.list_mail(0, 10)).entries]
        with capture_logs() as logs:
            await asyncio.gather(*(line.update_mail(ref, is_unread=False) for ref in refs))
        assert calls(logs) == [("PUT", "/myMessages/v2/messages/{message_id}"), ("PUT", "/myMessages/v2/messages")]
        assert (await line.list_mail(0, 10, unread=True)).entries == ()


@cases("Delete Messages")
async def test_several_messages_are_deleted_in_one_call(modes: dict[str, Any]) -> None:
    """One that is gone already is fine among them."""
    async with a_desk(**modes) as desk:
        line = await desk.ready()
        for number in range(6):
            desk.act("receive", **{"from": FRIEND, "text": f"text {number}"})
        refs = [entry.ref for entry in (await line.list_mail(0, 10)).entries]
        desk.act("delete", id=refs[3])
        with capture_logs() as logs:
            await asyncio.gather(*(line.delete_mail(ref) for ref in refs))
        assert calls(logs)[1] == ("DELETE", "/myMessages/v2/messages")
        assert (await line.list_mail(0, 10)).entries == ()


@cases("Create Message Index")
@pytest.mark.parametrize("answer", ["shape", "body", "empty"])
async def test_an_index_is_created_where_there_is_none(modes: dict[str, Any], answer: str) -> None:
    """Once, and waited for; with the index in the answer, or nothing."""
    async with a_desk(**modes, index_answer=answer) as desk:
        await desk.agree()
        await desk.prepared()
        await desk.prepared()
        assert len(desk.said("index-created")) == 1
        assert (await desk.line.list_mail(0, 1)).entries == ()


@cases("Get Message Index Info")
async def test_the_index_says_how_it_stands(modes: dict[str, Any]) -> None:
    """For `relay check`, which changes nothing."""
    async with a_desk(**modes) as desk:
        await desk.agree()
        assert (await desk.line.verify()).endswith("the message index is NOT_INITIALIZED")
        await desk.prepared()
        assert (await desk.line.verify()).endswith(("INITIALIZED", "COMPLETE"))
        assert len(desk.said("index-created")) == 1


@cases("Get Inbox Changes (delta)")
@pytest.mark.parametrize("states", ["ugly", "digits", "plain"])
async def test_changes_are_followed(modes: dict[str, Any], states: str) -> None:
    """Added, updated and deleted, from a state that can be asked from again."""
    async with a_desk(**modes, states=states) as desk:
        line = await desk.ready()
        desk.act("receive", **{"from": FRIEND, "text": "old"})
        page = await line.list_mail(0, 10)
        assert page.cursor
        start = (await line.fetch_changes(page.cursor)).cursor
        still = await line.fetch_changes(start)
        assert (still.added, still.updated, still.deleted) == ((), (), ())
        old = page.entries[0].ref
        desk.act("receive", **{"from": FRIEND, "text": "new"})
        desk.act("read", id=old)
        changes = await line.fetch_changes(start)
        assert [entry.ref for entry in changes.updated] == [old]
        assert len(changes.added) == 1
        desk.act("delete", id=old)
        later = await line.fetch_changes(changes.cursor)
        assert (later.added, later.updated, later.deleted) == ((), (), (old,))
        assert await line.fetch_changes(start) != still
        assert isinstance(changes.added[0], MailEntry)


@cases("OAuth: consent")
async def test_the_subscriber_agrees_on_at_t_s_page(modes: dict[str, Any]) -> None:
    """And the browser comes back to relay with a code."""
    async with a_desk(**modes) as desk:
        line = desk.connect(custom_param=["bypass_onnetwork_auth", "suppress_landing_page"])
        back = await desk.browse(line)
        assert str(back.with_query(None)) == REDIRECT
        assert back.query["code"]
        assert [one["scopes"] for one in desk.said("consent-given")] == [["IMMN", "MIM"]]


@cases("OAuth: access token for a code")
async def test_a_code_is_exchanged(modes: dict[str, Any]) -> None:
    """For tokens with which everything works."""
    async with a_desk(**modes) as desk:
        await desk.ready()
        assert len(desk.said("token")) == 1
        assert (await desk.line.consent()).given


@cases("OAuth: access token for a refresh token")
@pytest.mark.parametrize("oauth_errors", ["rfc", "envelope"])
async def test_tokens_are_refreshed_for_as_long_as_the_consent_lasts(modes: dict[str, Any], oauth_errors: str) -> None:
    """Day after day, whether or not the refresh token is replaced."""
    async with a_desk(**modes, oauth_errors=oauth_errors) as desk:
        line = await desk.ready()
        for _ in range(5):
            await desk.clock.advance(2 * 86_400)
            await line.list_mail(0, 1)
        assert len(desk.said("token")) == 6
        assert (await line.consent()).given


@cases("OAuth: revoke")
async def test_consent_is_given_back(modes: dict[str, Any]) -> None:
    """At AT&T as well: the tokens are of no use any more."""
    async with a_desk(**modes) as desk:
        line = await desk.ready()
        await line.revoke_consent()
        assert len(desk.said("token-revoked")) == 1
        assert (await line.consent()).reason == "revoked"


def test_the_rows_have_names_of_their_own() -> None:
    """And say who reaches them."""
    assert len({row.name for row in OPERATIONS}) == len(OPERATIONS) == 16
    assert all(row.reached_by and row.source for row in OPERATIONS)
