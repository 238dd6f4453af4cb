"""The bare words by which people opt out, opt in and ask for help (CTIA Messaging Principles; 47 CFR 64.1200)."""

import re
import unicodedata
from typing import Literal

Keyword = Literal["stop", "start", "help"]


def keyword(text: str) -> Keyword | None:
    """What `text` asks for, if it is a keyword and nothing else; None for any other text.

    Case, blanks, punctuation and symbols do not count, inside a word either: "Stop!", "OPT-OUT" and "stop all" are
    keywords. Nor does it matter in which of Unicode's shapes the letters are: wide, in circles, mathematical. Any
    further letter or digit counts: "stop texting me" is none.
    """
    if text.isascii():
        if _TOO_MUCH.match(text):
            return None  # as nearly all that people write
        return _KEYWORDS.get(text.translate(_NEITHER).lower())
    letters = "".join(filter(str.isalnum, text))
    # No shape of a letter is shorter than the letter.
    return None if len(letters) > _LONGEST else _KEYWORDS.get(letters.casefold()) or _KEYWORDS.get(_plain(text))


def suspected(text: str) -> bool:
    """Whether a person who writes `text`, which is no keyword, most probably wants no more texts.

    "please stop", "take me off your list", "wrong number". A guess, for a person to look at: it opts nobody out.
    """
    return keyword(text) is None and wants_out(text)


def wants_out(text: str) -> bool:
    """As `suspected`, of a text that is known to be no keyword."""
    words = _words(text)
    for stems, patterns in _WANTS_OUT:
        for stem in stems:
            if stem in words:
                if any(pattern.search(words) for pattern in patterns):
                    return True
                break
    return False


_KEYWORDS: dict[str, Keyword] = {
    "stop": "stop",
    "stopall": "stop",
    "unsubscribe": "stop",
    "end": "stop",
    "quit": "stop",
    "cancel": "stop",
    "revoke": "stop",
    "optout": "stop",
    "start": "start",
    "unstop": "start",
    "yes": "start",
    "help": "help",
    "info": "help",
}

_LONGEST = max(map(len, _KEYWORDS))
_TOO_MUCH = re.compile(rf"(?:[^A-Za-z0-9]*+[A-Za-z0-9]){{{_LONGEST + 1}}}")
_NEITHER = {code: None for code in range(128) if not chr(code).isalnum()}  # letters nor digits
_LOOKED_AT = 1000  # characters: who wants out says so early, and a book must not hold up what comes after it


def _plain(text: str) -> str:
    """The letters and digits in their plain shapes (NFKC), in lower case; empty for a long text.

    Character by character, so that no accent is drawn onto its neighbour or lost, and no text takes long.
    """
    if len(text) > _LOOKED_AT:
        return ""
    return "".join(_shape(char) for char in text).casefold()


def _shape(char: str) -> str:
    plain = unicodedata.normalize("NFKC", char)
    return plain if char.isalnum() else "".join(part for part in plain if part.isalnum())


def _words(text: str) -> str:
    """The text in lower case, its words parted by one blank each; an apostrophe parts none."""
    text = text[:_LOOKED_AT]
    if text.isascii():
        return " ".join(text.translate(_PARTED).lower().split())
    plain = unicodedata.normalize("NFKC", _APOSTROPHE.sub("", text)).casefold()
    return " ".join(_NO_WORD.sub(" ", plain).split())


_PARTED = dict.fromkeys(_NEITHER, " ") | dict.fromkeys(map(ord, "'`"))
_APOSTROPHE = re.compile("['\u2018\u2019\u00b4`\uff07]")
_NO_WORD = re.compile(r"[\W_]+")

_PLEASE = "(?:please|pls|plz|kindly)"
_NOT = "(?:dont|do not|never)"
_TEXTS = "(?:texts?|txts?|messages?|msgs?|sms|calls?|alerts?|notifications?|promotions?|promos?|ads|spam)"
_TEXTING = r"(?:text|txt|messag|msg|contact|bother|spam|harass|annoy)(?:ing|e|ed|in)?"
_SENDING = rf"(?:{_TEXTING}|call(?:ing)?|send(?:ing)?|writ(?:e|ing)|email(?:ing)?|{_TEXTS})"
_THESE = "(?:all|the|these|those|this|your|ur|any|more|me|us|with|getting|sending|trying|to|text|fucking|damn|stupid)"
_WOULD = "(?:can|could|would|will|wont|must|should|better)"
_LIST = "(?:these|lists?|texts?|messages?|database|group)"
_MINE = r"(?:me|us|this number|my (?:\w+ )?(?:number|phone|cell|name|contact|info)\w*)"
_PLACE = r"(?! (?:by|in|at|on|off|over|for|to|here|there|and|before|after|until|when|if|sign|light)\b)"
_NOT_AFTER = (
    *("bus", "next", "last", "first", "the", "this", "a", "each", "non"),
    *("dont", "not", "never", "cant", "wont", "didnt", "without"),
)
_STOP = r"\b(?=[sq])" + "".join(rf"(?<!\b{word} )" for word in _NOT_AFTER) + rf"(?:sto+p+|stp|sotp|quit)\b{_PLACE}"

_STOPS = ("sto", "stp", "sotp", "quit")

# What says so, in groups: where none of a group's beginnings is in a text, none of its patterns fits.
_WANTS_OUT = tuple(
    (stems, tuple(re.compile(pattern) for pattern in patterns))
    for stems, patterns in (
        (
            _STOPS,
            (
                # Nothing but stops and the words around them: "STOP STOP", "ok stop it now".
                (
                    rf"^(?:(?:ok|okay|hi|hey|hello|yes|no|omg|just|i said|{_PLEASE}) )*{_STOP}"
                    rf"(?: (?:sto+p+|quit|end|cancel|unsubscribe|all|it|this|that|me|now|already|{_PLEASE}|thanks"
                    r"|thank you|thx|immediately|asap|for good|forever))*$"
                ),
                rf"{_PLEASE} (?:just )?{_STOP}",
                rf"{_STOP} (?:{_THESE} ){{0,3}}{_SENDING}\b",
                rf"\b(?:want|like|need|have|got|ask|asked|asking|tell|told|telling)(?: \w+){{0,2}} to {_STOP}$",
                rf"\b{_WOULD} (?:you|u)(?: guys| all)?(?: just| ever)? {_STOP}$",
                rf"\b(?:you|u)(?: guys| all)? (?:must|should|better|gotta) {_STOP}$",
            ),
        ),
        # The other words of the list, in a sentence.
        (("unsu",), (r"\b(?:unsu[bs]{1,2}c?ri\w*|unsub)\b",)),
        (("opt",), (r"\bopt(?:ing|ed)? (?:\w+ )?out\b|\boptout\b",)),
        (("consent",), (r"\b(?:revok|withdraw)\w* (?:\w+ ){0,3}consent\b",)),
        # Off the list.
        (
            ("take ", "get "),
            (
                (
                    r"\b(?:take|get) (?:me|us|my \w+|this number) (?:off|out|from)(?: of)?"
                    rf"(?:$| (?:your|ur|this|that|the|all|any)? ?(?:\w+ )?{_LIST}\b)"
                ),
            ),
        ),
        (
            ("remove ", "delete ", "erase "),
            (rf"\b(?:remove|delete|erase) {_MINE}\b",),
        ),
        (("number",), (r"\b(?:lose|forget) (?:my|this) number\b",)),
        (("alone",), (r"\bleave (?:me|us) (?:the \w+ )?alone\b",)),
        # No more of it.
        (
            ("dont", "do not", "never", "no longer"),
            (
                rf"\b{_NOT} (?:(?:ever|even|you|u) )?{_TEXTING} (?:me|us|my|this|here)\b",
                rf"\b{_NOT} (?:(?:ever|even|you|u) )?{_SENDING} (?:\w+ ){{0,3}}(?:again|any ?more|ever)$",
                (
                    rf"\b(?:{_NOT}|no longer)(?: \w+)? (?:want|wish|asked?|agreed?|consent)(?: \w+){{0,4}}"
                    rf" (?:{_TEXTS}|texted|messaged|contacted|called)\b"
                ),
            ),
        ),
        (("no more", "no further"), (rf"\bno (?:more|further) (?:\w+ )?{_TEXTS}\b",)),
        (("didnt", "did not", "never"), (r"\b(?:didnt|did not|never) (?:sign(?:ed)? up|subscribed?)\b",)),
        (("wrong ",), (r"\bwrong (?:number|num|person|phone|guy|lady)\b",)),
        (
            ("not interested",),
            (r"^(?:(?:no|sorry|thanks|thank you|hi|but|im|i am|we are|still|really) )*not interested\b(?! in)",),
        ),
        (
            (" off", "go away", "get lost"),
            (r"\b(?:fuck|piss|bugger|f) off\b|^(?:please )?(?:go away|get lost)$",),
        ),
        (
            ("block", "report"),
            (r"\b(?:block|report)(?:ing|ed)? (?:you|u|this number|your number|as spam|this as)\b",),
        ),
        # Spanish, which many of AT&T's customers write.
        (
            ("no me ", "no nos "),
            (r"\bno (?:me|nos) (?:\w+ )?(?:mand|envi|env\u00ed|escrib|molest|contact|llam)\w*",),
        ),
        ((" de ",), (r"\b(?:dej[ea]n?|pare?n?) de (?:mandar|enviar|escribir|molestar|llamar)",)),
        (
            ("mensajes", "equivocado", "en paz", "de baja"),
            (
                (
                    r"\b(?:no m[a\u00e1]s mensajes|n[u\u00fa]mero equivocado|d[e\u00e9]j[ea](?:n|r)?me en paz"
                    r"|darme de baja)\b"
                ),
            ),
        ),
        (("alto", "basta", "para", "cancelar"), (r"^(?:alto|basta|parar?|cancelar)(?: por favor)?$",)),
    )
)
