"""What was written in an MMS, put together from its parts."""

import pytest

from relay.domain.addresses import outbound
from relay.domain.messages import InboundMessage, Part, Sighting
from relay.providerkit.texts import with_text


def mms(*parts: Part, text: str | None = None) -> InboundMessage:
    """An MMS that came in, with these parts fetched."""
    return InboundMessage(outbound("2065550123"), "+12065550150", text, parts=parts)


def test_the_plain_text_parts_are_the_text_and_stay_parts() -> None:
    """One line each, in their order; nothing else is text."""
    parts = (
        Part("text/plain", data=b"one"),
        Part("image/png", data=b"\x89"),
        Part("Text/Plain; charset=utf-8", data="zwei, drüben".encode()),
        Part("text/html", data=b"<p>"),
    )
    made = with_text(mms(*parts))
    assert (made.text, made.parts) == ("one\nzwei, drüben", parts)


def test_a_text_of_its_own_is_left_alone() -> None:
    """As where the provider puts it beside the parts."""
    assert with_text(mms(Part("text/plain", data=b"part"), text="own")).text == "own"


@pytest.mark.parametrize("parts", [(), (Part("image/png", data=b""),), (Part("text/plain", token="t", href="h"),)])
def test_without_a_text_there_is_none(parts: tuple[Part, ...]) -> None:
    """A text that is too large for a message is where its address says."""
    assert with_text(mms(*parts)).text is None


@pytest.mark.parametrize(
    ("content_type", "data", "text"),
    [
        ('text/plain; charset="iso-8859-1"', b"Gr\xfc\xdfe", "Grüße"),
        ("text/plain; charset=utf-16", "Grüße".encode("utf-16"), "Grüße"),
        ("text/plain; charset=", b"hi", "hi"),
        ("text/plain; charset=no-such-thing", b"hi\xff", "hi\ufffd"),
        ("text/plain; charset=base64", b"hi", "hi"),
        ("text/plain; charset=a\0b", b"hi", "hi"),
        ("text/plain", b"\xff", "\ufffd"),
    ],
)
def test_the_character_set_is_the_part_s_own(content_type: str, data: bytes, text: str) -> None:
    """UTF-8 where it names none, or none that there is; never an error."""
    assert with_text(mms(Part(content_type, data=data))).text == text


def test_a_message_that_went_out_has_its_text_as_well() -> None:
    """So that relay's own is known again by it."""
    one = Sighting("r", (outbound("2065550123"),), None, parts=(Part("text/plain", data=b"hi"),))
    assert with_text(one).text == "hi"
