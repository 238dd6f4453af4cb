"""Who most probably wants no more texts, without having found the keyword for it."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.domain import keywords
from relay.domain.keywords import keyword, suspected

WANTS_OUT = [
    "stop texting me",
    "Stop texting me!!!",
    "STOP STOP",
    "Stop stop stop",
    "stoppp",
    "please stop",
    "Pls stop",
    "Please stop sending me these",
    "can you please stop",
    "Can you stop?",
    "you need to stop",
    "I want you to stop",
    "ok stop it now",
    "Stop now thanks",
    "I said STOP",
    "STOP MESSAGES",
    "Stop all these alerts",
    "stop with the texts",
    "quit texting me",
    "unsubscribe me",
    "How do I unsubscribe?",
    "unsuscribe",
    "Unsubscribe please",
    "take me off your list",
    "Take me off this list please",
    "take me off of all your lists",
    "take me off",
    "remove me",
    "Please remove my number from your database",
    "Remove me from your list",
    "delete my number",
    "lose my number",
    "leave me alone",
    "leave me the fuck alone",
    "don't text me",
    "don\u2019t text me",
    "don\u00b4t ever message me again",
    "Do not contact me",
    "Do NOT call this number again",
    "never text this number",
    "I don't want these texts",
    "i no longer wish to receive your messages",
    "I do not consent to be contacted",
    "I never signed up for this",
    "I didn't subscribe to anything",
    "no more texts",
    "No more messages please",
    "opt me out",
    "I want to opt out",
    "I revoke my consent",
    "wrong number",
    "You have the wrong person",
    "Sorry, wrong number!",
    "not interested",
    "No thanks, I'm not interested",
    "fuck off",
    "Go away!",
    "reporting you to the FCC",
    "I will block you",
    "\uff33\uff34\uff2f\uff30 \uff34\uff25\uff38\uff34\uff29\uff2e\uff27 \uff2d\uff25",
    "No me manden m\u00e1s mensajes",
    "por favor dejen de enviar mensajes",
    "n\u00famero equivocado",
    "Basta",
]

STAYS = [
    "",
    "?",
    "I'll stop by later",
    "Please stop by tomorrow",
    "I will stop by and text you",
    "non-stop",
    "It rained non-stop",
    "bus stop",
    "Where is the bus stop?",
    "At the next stop text me",
    "don't stop",
    "please don't stop",
    "Don't stop texting me",
    "it won't stop",
    "I can't stop laughing",
    "stop 2",
    "Please stop at the store",
    "we have to stop for gas",
    "I had to stop my car, text me later",
    "I quit my job, call me",
    "the stop sign on 5th",
    "where do you stop",
    "the end",
    "end of the day",
    "yes please",
    "Cancel my 3pm appointment",
    "Can you take me at 5?",
    "drop me off at 5",
    "Take me off-road",
    "the substation, not the unsubstantiated one",
    "unsuspecting",
    "text me tomorrow",
    "don't forget to text me",
    "Do not text and drive",
    "Don't send the small one",
    "I'm not interested in the red one, but the blue is nice",
    "alone at home",
    "Please call my number",
    "What number is this?",
    "no more sugar please",
    "the number on the box is 12",
    "block off the afternoon",
    "opt for the second one",
    "I did not sign the form",
    "remove the battery",
    "go away for the weekend?",
    "alto voltaje",
]


@pytest.mark.parametrize("text", WANTS_OUT)
def test_who_wants_out_is_noticed(text: str) -> None:
    """In whatever words: an operator is to look at it."""
    assert suspected(text)


@pytest.mark.parametrize("text", WANTS_OUT)
def test_what_is_suspected_is_no_keyword(text: str) -> None:
    """A guess opts nobody out."""
    assert keyword(text) is None


@pytest.mark.parametrize("text", STAYS)
def test_who_writes_of_something_else_is_not_suspected(text: str) -> None:
    """The word alone says nothing: an operator who is asked for nothing stops looking."""
    assert not suspected(text)


@pytest.mark.parametrize(
    "text", ["STOP", "stop!", "Unsubscribe", "START", "help", "opt-out", "\u24c8\u24c9\u24c4\u24c5"]
)
def test_a_keyword_is_not_suspected(text: str) -> None:
    """It is known, not guessed."""
    assert keyword(text)
    assert not suspected(text)


@given(st.sampled_from(WANTS_OUT), st.text(' \t\r\n.,;:!?"()*\u2026\u00a0\U0001f6d1', max_size=8), st.booleans())
def test_decoration_and_case_change_no_suspicion(text: str, around: str, upper: bool) -> None:
    """Nor do blanks, punctuation and emoji around it."""
    assert suspected(around + (text.upper() if upper else text) + around)


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    """Whatever the characters; and never both."""
    assert not (suspected(text) and keyword(text))


@pytest.mark.parametrize(
    ("unit", "is_so"),
    [
        ("stop ", True),
        ("please ", False),
        ("\u0301\u0323", False),
        ("no me ", False),
        ("take me ", False),
        ("\ufdfa", False),
    ],
)
def test_a_megabyte_takes_no_time(unit: str, is_so: bool) -> None:
    """Only the beginning is looked at: nobody buries a wish to be left alone."""
    assert suspected(unit * (1_000_000 // len(unit))) == is_so


# Hypothesis makes no texts for what may not stand before a stop; those above have them.
@pytest.mark.parametrize("group", keywords._WANTS_OUT[1:], ids=lambda group: group[0][0])
@given(data=st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_no_pattern_fits_a_text_without_one_of_its_group_s_beginnings(
    group: tuple[tuple[str, ...], tuple[re.Pattern[str], ...]], data: st.DataObject
) -> None:
    """So that a text that has none of them need not be searched."""
    stems, patterns = group
    text = data.draw(st.one_of([st.from_regex(pattern) for pattern in patterns]))
    assert any(stem in text for stem in stems)
