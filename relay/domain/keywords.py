"""The bare words by which people opt out, opt in and ask for help (CTIA Messaging Principles; 47 CFR 64.1200)."""

from typing import Literal

Keyword = Literal["stop", "start", "help"]


def keyword(text: str) -> Keyword | None:
    """What `text` asks for, if it is a keyword and nothing else; None for any other text.

    Case, blanks, punctuation and symbols do not count, inside a word either: "Stop!", "OPT-OUT" and "stop all" are
    keywords. Any further letter or digit counts: "stop texting me" is none.
    """
    return _KEYWORDS.get("".join(char for char in text if char.isalnum()).casefold())


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
