"""Addresses of In-App Messaging: `tel:+1…`, `short:…` and e-mail, and how the simulator's books have them."""

import re

from relay.providerkit.simulated.numbers import e164

_SHORT = re.compile(r"(?:short:)?(\d{3,8})", re.IGNORECASE | re.ASCII)
_MAIL = re.compile(r"[^\s@:,]+@[^\s@:,]+\.[^\s@:,]+")
_DOCUMENTED = re.compile(r"tel:(?:\+\d{8,15}|1?\d{10})|short:\d{3,8}", re.ASCII)


def canonical(address: str) -> str | None:
    """E.164, a short code's digits, or an e-mail address; None for what is none of them."""
    bare = address.strip()
    if short := _SHORT.fullmatch(bare):
        return short[1]
    return bare if _MAIL.fullmatch(bare) else e164(bare)


def is_documented(address: str) -> bool:
    """Whether it stands in a form that AT&T's documents show."""
    return bool(_DOCUMENTED.fullmatch(address) or _MAIL.fullmatch(address))


def is_number(address: str) -> bool:
    """Whether a canonical address is a telephone number."""
    return address.startswith("+")


def is_abroad(address: str) -> bool:
    """Whether a canonical address is a number outside the U.S.A."""
    return is_number(address) and not address.startswith("+1")


def shown(address: str, shape: str) -> str:
    """A canonical address as answers have it: with its scheme where documented, bare where served."""
    if shape != "documented" or "@" in address:
        return address
    return f"tel:{address}" if is_number(address) else f"short:{address}"
