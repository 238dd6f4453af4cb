"""Who calls, and whether they may: by the address of the connection, or by what a proxy that is known says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

_FORWARDED = "X-Forwarded-For"
_MOST_HOPS = 32


@dataclass(frozen=True, slots=True)
class Callers:
    """Who may call.

    Attributes:
        allow: the networks that may; none: anybody may.
        proxies: those whose word about the caller is taken; nobody else's is.
    """

    allow: Networks = ()
    proxies: Networks = ()

    def address(self, request: web.BaseRequest) -> Address | None:
        """Whose request it is; None where that cannot be known.

        Of what proxies have added the last address counts that is no proxy's: those before it are the caller's words.
        """
        address = _address(_peer(request))
        if address is None or not _in(address, self.proxies):
            return address
        said = ",".join(request.headers.getall(_FORWARDED, [])).split(",")[-_MOST_HOPS:]
        for text in reversed(said):
            address = _address(text.strip())
            if address is None or not _in(address, self.proxies):
                break
        return address

    def may_call(self, address: Address | None) -> bool:
        """Whether whoever has this address may."""
        return not self.allow or (address is not None and _in(address, self.allow))


def _peer(request: web.BaseRequest) -> str:
    name = request.transport.get_extra_info("peername") if request.transport else None
    return str(name[0]) if isinstance(name, tuple) and name else ""


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _in(address: Address, networks: Networks) -> bool:
    return any(address in network for network in networks)
