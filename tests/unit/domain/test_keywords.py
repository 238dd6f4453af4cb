"""Keywords: the bare words, however typed, and nothing that only holds one."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.keywords import keyword

WORDS = {
    "stop": ["STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "REVOKE", "OPTOUT"],
    "start": ["START", "UNSTOP", "YES"],
    "help": ["HELP", "INFO"],
}
PAIRS = [(word, meaning) for meaning, words in WORDS.items() for word in words]
decoration = st.text(" \t\r\n.,;:!?'\"()*-_#/&\u00a0\u200b\u2026\u201c\u201d\U0001f6d1\x00\ud800", max_size=8)
content = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)


@pytest.mark.parametrize(("word", "meaning"), PAIRS)
def test_each_bare_word_is_a_keyword_in_any_case(word: str, meaning: str) -> None:
    """The list of the carriers' rules."""
    assert keyword(word) == keyword(word.lower()) == keyword(word.title()) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("Stop.", "stop"),
        ("  stop!!\n", "stop"),
        ('"STOP"', "stop"),
        ("STOP \U0001f6d1", "stop"),
        ("Stop all", "stop"),
        ("opt-out", "stop"),
        ("Opt out.", "stop"),
        ("S.T.O.P", "stop"),
        ("Yes!", "start"),
        ("help?", "help"),
    ],
)
def test_space_and_punctuation_do_not_hide_a_keyword(text: str, meaning: str) -> None:
    """Somebody who asks to be left alone is not to be misunderstood for a dash."""
    assert keyword(text) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "?!",
        "stop texting me",
        "please stop",
        "don't stop",
        "stopped",
        "the end",
        "stop 2",
        "yes please",
        "yesterday",
        "no",
        "st",
        "остановить",
        "\x00",
        "\ud800",
    ],
)
def test_a_sentence_is_no_keyword(text: str) -> None:
    """What only holds the word is for a person to read."""
    assert keyword(text) is None


@given(st.sampled_from(PAIRS), decoration, decoration, st.booleans())
def test_decoration_never_changes_a_keyword(pair: tuple[str, str], before: str, after: str, lower: bool) -> None:
    """Any case, any blanks and punctuation around it."""
    word, meaning = pair
    assert keyword(before + (word.lower() if lower else word) + after) == meaning


@given(st.sampled_from(PAIRS), content, st.sampled_from(["", " ", ", "]))
def test_a_further_word_makes_it_a_sentence(pair: tuple[str, str], more: str, between: str) -> None:
    """Unless the two together are another word of the list."""
    text = pair[0] + between + more
    known = {word.casefold() for word, _ in PAIRS}
    plain = unicodedata.normalize("NFKC", pair[0] + more)
    assert (keyword(text) is not None) == (plain.casefold() in known)


@pytest.mark.parametrize(
    "text",
    [
        "\uff33\uff34\uff2f\uff30",
        "\uff53\uff54\uff4f\uff50\uff01",
        "\u24c8\u24c9\u24c4\u24c5",
        "\U0001f142\U0001f143\U0001f13e\U0001f13f",
        "\U0001d5e6\U0001d5e7\U0001d5e2\U0001d5e3",
        "\uff33top \uff41ll",
    ],
)
def test_the_shape_of_the_letters_does_not_matter(text: str) -> None:
    """Wide letters of an East Asian keyboard, circles, squares, bold: Unicode says which plain letters they are."""
    assert keyword(text) == "stop"


@pytest.mark.parametrize("text", ["STOP\u2122", "STO\u0301P", "\u24d8 STOP"])
def test_symbols_that_stand_for_letters_hide_no_keyword(text: str) -> None:
    """A trade mark sign, an accent or a circled letter beside the word is decoration, as it always was."""
    assert keyword(text) == "stop"


def test_a_megabyte_is_no_keyword() -> None:
    """Length alone decides nothing and breaks nothing."""
    assert keyword("stop" * 250_000) is None


@given(st.text(st.characters(codec="ascii"), max_size=40))
def test_a_plain_text_means_what_its_letters_and_digits_do(text: str) -> None:
    """However many of them there are, and whatever stands between them."""
    assert keyword(text) == dict(PAIRS).get("".join(filter(str.isalnum, text)).upper())


def test_blanks_without_end_take_no_time() -> None:
    """As many as there may be, before a keyword and before a sentence."""
    assert keyword(" " * 1_000_000 + "stop") == "stop"
    assert keyword((" " * 100_000 + "x") * 20) is None
