"""Which of Landline's two calls a content goes by, and what cannot go at all."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import Content, Media, Plan
from relay.providers.att_landline import planning

PICTURE = Media("image/png", "map.png", b"\x89PNG")
TOMORROW = datetime(2026, 11, 22, tzinfo=UTC)
CONTENT = Content("Hello")


def plan(content: Content, *, mms: bool = True, provider_schedules: bool = False) -> Plan:
    """The plan of a line that may do everything."""
    return planning.planned(content, recipients_per_call=15, mms=mms, provider_schedules=provider_schedules)


def refusal(content: Content, *, mms: bool = True) -> Problem:
    """Why a content cannot be sent."""
    with pytest.raises(Refused) as caught:
        plan(content, mms=mms)
    return caught.value.problem


@pytest.mark.parametrize("text", ["a" * 250, "é" * 125, "☎" * 83])
def test_up_to_250_bytes_are_a_text(text: str) -> None:
    """To fifteen recipients a call."""
    made = plan(Content(text))
    assert (made.sent_as, made.recipients_per_call) == ("sms", 15)
    assert planning.as_mms(text, ()) is None


@pytest.mark.parametrize("text", ["a" * 251, "é" * 126, "a" * 700, "☎" * 233])
def test_up_to_700_bytes_are_the_body_of_an_mms(text: str) -> None:
    """To one recipient a call; and the plan says so."""
    made = plan(Content(text))
    assert (made.sent_as, made.recipients_per_call, made.segments) == ("mms", 1, 1)
    assert planning.as_mms(text, ()) == planning.Mms(text)


@pytest.mark.parametrize(
    ("text", "content_type"), [("a" * 701, "text/plain"), ("é" * 351, "text/plain; charset=utf-8")]
)
def test_a_longer_text_is_a_text_file(text: str, content_type: str) -> None:
    """As documented (Large text attachment); it says its character set where there is more than ASCII in it."""
    letter = planning.as_mms(text, ())
    assert letter is not None
    (file,) = letter.files
    assert (letter.body, file.name, file.filename, file.content_type) == ("", "file", "file.txt", content_type)
    assert file.data.decode() == text


def test_one_picture_goes_in_image_and_several_are_numbered() -> None:
    """As documented (1 image & body, 2 images & body)."""
    one = planning.as_mms("Hello", (PICTURE,))
    two = planning.as_mms("Hello", (PICTURE, Media("image/GIF", None, b"GIF")))
    assert one is not None
    assert two is not None
    assert [(file.name, file.filename, file.content_type) for file in one.files] == [("image", "map.png", "image/png")]
    assert [(file.name, file.filename) for file in two.files] == [("image1", "map.png"), ("image2", "image2.gif")]
    assert (one.body, two.body) == ("Hello", "Hello")


def test_a_long_text_beside_pictures_is_the_first_file() -> None:
    """Nothing of it is cut off."""
    letter = planning.as_mms("a" * 701, (PICTURE, Media("text/plain; charset=LATIN-1", "x.txt", b"\xe9")))
    assert letter is not None
    assert [file.name for file in letter.files] == ["file1", "image", "file2"]
    assert letter.files[2].content_type == "text/plain; charset=latin-1"


@pytest.mark.parametrize("kind", ["image/bmp", "image/gif", "image/jpeg", "image/png", "text/plain"])
def test_five_types_are_sent(kind: str) -> None:
    """With or without a text."""
    assert plan(Content(None, media=(Media(kind, None, b"x"),))).sent_as == "mms"


@pytest.mark.parametrize("kind", ["image/webp", "image/jpg", "video/mp4", "text/vcard", "", "image/png\r\nX: y"])
def test_other_types_are_refused_by_their_place(kind: str) -> None:
    """With the five that are right."""
    problem = refusal(Content("Hello", media=(PICTURE, Media(kind, None, b"x"))))
    assert problem.code is ErrorCode.UNSUPPORTED_MEDIA
    assert "`media[1]`" in problem.detail
    assert "image/jpeg" in problem.detail


def test_600_kilobytes_are_the_most() -> None:
    """Text and media together."""
    picture = Media("image/png", None, b"x" * 599_995)
    assert plan(Content("Hello", media=(picture,))).sent_as == "mms"
    problem = refusal(Content("Hello!", media=(picture,)))
    assert problem.code is ErrorCode.TOO_LARGE
    assert "600001" in problem.detail
    assert "600000" in problem.detail
    assert refusal(Content("a" * 600_001)).code is ErrorCode.TOO_LARGE


def test_a_line_without_mms_says_what_it_lacks() -> None:
    """The setting and the limit are named."""
    long = refusal(Content("a" * 251), mms=False)
    assert long.code is ErrorCode.TOO_LONG
    assert all(word in long.detail for word in ("251", "250", "`mms`"))
    media = refusal(Content("Hello", media=(PICTURE,)), mms=False)
    assert media.code is ErrorCode.UNSUPPORTED_MEDIA
    assert "`mms`" in media.detail
    assert plan(CONTENT, mms=False).sent_as == "sms"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (replace(CONTENT, group=True), ErrorCode.UNSUPPORTED),
        (replace(CONTENT, subject="Greetings"), ErrorCode.UNSUPPORTED),
        (Content(None), ErrorCode.INVALID_REQUEST),
        (Content(""), ErrorCode.INVALID_REQUEST),
        (Content("half a \ud83d"), ErrorCode.INVALID_REQUEST),
        (Content("half a \ud83d", media=(PICTURE,)), ErrorCode.INVALID_REQUEST),
    ],
)
def test_what_would_be_lost_is_refused(content: Content, code: ErrorCode) -> None:
    """Nothing of a request is left out silently."""
    assert refusal(content).code is code


def test_att_waits_only_where_it_can_and_is_to() -> None:
    """`messaging/send` has no scheduled date: relay waits."""
    later = replace(CONTENT, send_at=TOMORROW)
    assert plan(later, provider_schedules=True).provider_waits
    assert not plan(later).provider_waits
    assert not plan(CONTENT, provider_schedules=True).provider_waits
    assert not plan(replace(later, media=(PICTURE,)), provider_schedules=True).provider_waits


contents = st.builds(
    Content,
    text=st.none() | st.text(max_size=900),
    subject=st.none() | st.text(max_size=3),
    group=st.booleans(),
    media=st.lists(
        st.builds(
            Media, st.sampled_from(["image/png", "text/plain", "a/b"]) | st.text(), st.none() | st.text(), st.binary()
        ),
        max_size=4,
    ).map(tuple),
)


@given(contents)
def test_a_content_has_a_plan_or_a_reason(content: Content) -> None:
    """And what has a plan is sent whole: every byte of it is in the call."""
    try:
        made = plan(content)
    except Refused:
        return
    letter = planning.as_mms(content.text, content.media)
    assert (made.sent_as == "sms") == (letter is None)
    if letter is not None:
        sent = letter.body.encode() + b"".join(file.data for file in letter.files)
        assert sent == (content.text or "").encode() + b"".join(media.data for media in content.media)
        assert letter.size <= planning.MOST_PAYLOAD
        assert len({file.name for file in letter.files}) == len(letter.files)
