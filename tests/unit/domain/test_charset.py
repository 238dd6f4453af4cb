"""Character sets: vectors worked out by hand from 3GPP TS 23.038, and what must hold for every text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.charset import Encoding, Segmentation, fits_latin1, has_lone_surrogate, one_byte_units, segmentation

# TS 23.038, table 6.2.1, read column by column; the code of each character is its place.
ALPHABET = (
    "\u0040\u00a3\u0024\u00a5\u00e8\u00e9\u00f9\u00ec\u00f2\u00c7\u000a\u00d8\u00f8\u000d\u00c5\u00e5"
    "\u0394\u005f\u03a6\u0393\u039b\u03a9\u03a0\u03a8\u03a3\u0398\u039e\u00c6\u00e6\u00df\u00c9"
    "\u0020\u0021\u0022\u0023\u00a4\u0025\u0026\u0027\u0028\u0029\u002a\u002b\u002c\u002d\u002e\u002f"
    "\u0030\u0031\u0032\u0033\u0034\u0035\u0036\u0037\u0038\u0039\u003a\u003b\u003c\u003d\u003e\u003f"
    "\u00a1\u0041\u0042\u0043\u0044\u0045\u0046\u0047\u0048\u0049\u004a\u004b\u004c\u004d\u004e\u004f"
    "\u0050\u0051\u0052\u0053\u0054\u0055\u0056\u0057\u0058\u0059\u005a\u00c4\u00d6\u00d1\u00dc\u00a7"
    "\u00bf\u0061\u0062\u0063\u0064\u0065\u0066\u0067\u0068\u0069\u006a\u006b\u006c\u006d\u006e\u006f"
    "\u0070\u0071\u0072\u0073\u0074\u0075\u0076\u0077\u0078\u0079\u007a\u00e4\u00f6\u00f1\u00fc\u00e0"
)
EXTENSION = "\u000c\u005e\u007b\u007d\u005c\u005b\u007e\u005d\u007c\u20ac"  # table 6.2.1.1

EMOJI = "\U0001f600"
gsm7_texts = st.text(ALPHABET + EXTENSION, max_size=700)
texts = st.text(st.characters(), max_size=400) | gsm7_texts | st.text("aé€{ёç\ud83d\ude00" + EMOJI, max_size=400)


def test_the_default_alphabet_is_the_standards() -> None:
    """127 characters of one septet, ten of two, and every other character takes the text to UCS-2."""
    assert len(set(ALPHABET)) == 127
    one = {char for char in map(chr, range(0x10000)) if segmentation(char) == Segmentation(Encoding.GSM7, 1, 1)}
    two = {char for char in map(chr, range(0x10000)) if segmentation(char) == Segmentation(Encoding.GSM7, 2, 1)}
    assert one == set(ALPHABET)
    assert two == set(EXTENSION)


@pytest.mark.parametrize(
    ("text", "units", "segments"),
    [
        ("", 0, 1),
        ("a", 1, 1),
        ("a" * 160, 160, 1),
        ("a" * 161, 161, 2),
        ("a" * 306, 306, 2),
        ("a" * 307, 307, 3),
        ("a" * 459, 459, 3),
        ("a" * 460, 460, 4),
        ("€" * 80, 160, 1),
        ("€" * 81, 162, 2),
        ("€" * 152, 304, 2),  # 76 in each part: the 153rd septet stays empty
        ("€" * 153, 306, 3),  # 306 septets would fill two parts, if a pair could be cut
        ("a" * 152 + "€" + "a" * 152, 306, 3),  # the pair would lie across the first cut
        ("a" * 151 + "€" + "a" * 153, 306, 2),
        ("a" * 158 + "€", 160, 1),
        ("a" * 159 + "€", 161, 2),
        ("Hi {name}, 5 [new] ~ C:\\x | ^", 37, 1),
        ("ÄÖÑÜ§¿äöñüà £¥èéùìòÇ ΔΦΓΛΩΠΨΣΘΞ", 31, 1),
    ],
)
def test_a_text_of_the_alphabet_goes_in_gsm7(text: str, units: int, segments: int) -> None:
    """160 septets alone, 153 in each part, and an escape never parted from what it escapes."""
    assert segmentation(text) == Segmentation(Encoding.GSM7, units, segments)


@pytest.mark.parametrize(
    ("text", "units", "segments"),
    [
        ("ё" * 70, 70, 1),
        ("ё" * 71, 71, 2),
        ("ё" * 134, 134, 2),
        ("ё" * 135, 135, 3),
        ("ç", 1, 1),  # Latin-1 has it; GSM-7 has the capital only
        ("\u2019" + "a" * 69, 70, 1),  # a typographer's apostrophe
        ("\u2019" + "a" * 70, 71, 2),
        (EMOJI, 2, 1),
        (EMOJI * 35, 70, 1),
        (EMOJI * 36, 72, 2),
        (EMOJI * 66, 132, 2),  # 33 in each part: the 67th unit stays empty
        (EMOJI * 67, 134, 3),  # 134 units would fill two parts, if a pair could be cut
        ("a" * 66 + EMOJI + "a" * 66, 134, 3),  # the pair would lie across the first cut
        ("a" * 65 + EMOJI + "a" * 67, 134, 2),
        ("a" * 66 + "\ud83d" + "a" * 67, 134, 2),  # half a character is one unit, and joined to nothing
        ("ё" * 66 + "\ud83d" + "ё" * 67, 134, 2),
        ("\ud83d" * 71, 71, 2),
        ("\x1b", 1, 1),  # the escape itself is no character
        ("\t", 1, 1),
        ("\x00", 1, 1),
    ],
)
def test_any_other_text_goes_in_ucs2(text: str, units: int, segments: int) -> None:
    """70 units alone, 67 in each part, and a surrogate pair never parted."""
    assert segmentation(text) == Segmentation(Encoding.UCS2, units, segments)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", 0),
        ("a" * 4096, 4096),
        ("ç" * 4096, 4096),  # Latin-1 only
        ("{}" * 2048, 4096),  # in both sets: one byte in Latin-1
        ("ΔΦΓ", 3),  # GSM-7 only
        ("€", 2),  # GSM-7 only, with an escape
        ("Δ{", 3),
        ("ç€", 4),  # neither set holds both
        ("ё" * 2048, 4096),
        ("a" * 2047 + "ё", 4096),  # one character doubles all
        (EMOJI, 4),
    ],
)
def test_att_counts_one_byte_characters(text: str, units: int) -> None:
    """The 4096 of Send SMS: single in GSM-7 or Latin-1, double in UCS-2."""
    assert one_byte_units(text) == units


def test_latin1_is_the_first_256_characters() -> None:
    """And not one more."""
    assert fits_latin1("".join(map(chr, range(256))))
    assert not fits_latin1("naïve \u2019")
    assert fits_latin1("")


@pytest.mark.parametrize(
    ("text", "lone"),
    [("", False), ("ё" + EMOJI, False), ("\ud83d", True), ("a\ude00b", True), ("\ud83d\ude00", True)],
)
def test_half_a_character_is_seen(text: str, lone: bool) -> None:
    """Two halves that were never joined cannot be encoded either."""
    assert has_lone_surrogate(text) is lone


@given(texts)
def test_gsm7_is_chosen_exactly_where_every_character_fits(text: str) -> None:
    """One character outside takes the whole text to UCS-2."""
    fits = all(char in ALPHABET + EXTENSION for char in text)
    assert (segmentation(text).encoding is Encoding.GSM7) == fits


@given(texts)
def test_the_segments_are_those_of_filling_one_after_the_other(text: str) -> None:
    """The same count as laying the characters down one by one, each where it fits whole."""
    counted = segmentation(text)
    if counted.encoding is Encoding.GSM7:
        sizes, alone, part = [2 if char in EXTENSION else 1 for char in text], 160, 153
    else:
        joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        sizes, alone, part = [2 if char > "\uffff" else 1 for char in joined], 70, 67
    assert counted.units == sum(sizes)
    assert counted.segments == (1 if sum(sizes) <= alone else laid_down(sizes, part))


def laid_down(sizes: list[int], part: int) -> int:
    """How many parts it takes when each character goes into the last part if there is room for all of it."""
    parts = [0]
    for size in sizes:
        if parts[-1] + size > part:
            parts.append(0)
        parts[-1] += size
    return len(parts)


@given(texts, texts)
def test_more_text_never_takes_less_room(text: str, more: str) -> None:
    """Units, segments and one-byte characters only grow."""
    whole = segmentation(text + more)
    assert whole.segments >= segmentation(text).segments
    assert one_byte_units(text + more) >= one_byte_units(text)


def test_a_megabyte_is_counted_too() -> None:
    """A text far over every limit has a length like any other."""
    assert segmentation("a" * 1_530_000).segments == 10_000
    assert segmentation(EMOJI * 330_000).segments == 10_000
