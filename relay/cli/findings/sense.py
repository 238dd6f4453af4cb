"""Settings that are right one by one, and do not go together: two lines at one inbox, callers that nobody lets in."""

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from relay.cli.findings import Finding, wrong
from relay.settings import Endpoint, Settings
from relay.settings.types import is_loopback

_SAME = ("provider", "base_url", "registration_id", "number")  # what two lines of one inbox share


def look_at_sense(settings: Settings) -> Iterator[Finding]:
    """What contradicts itself."""
    yield from _twins(settings)
    yield from _public(settings)
    yield from _allowed(settings)
    webhooks, admin = settings.webhooks.listen, settings.admin.listen
    if webhooks == admin and webhooks.port:
        cure = f'write another port in admin.listen, such as "{Endpoint(admin.host, admin.port + 1)}"'
        yield wrong("settings", f"webhooks.listen and admin.listen are both {webhooks}", "relay cannot start", cure)
    folder = settings.media.folder
    if folder and not folder.is_dir():
        why = "every request that names a file is answered not_found"
        yield wrong("settings", f"media.folder names a folder that is not there ({folder})", why, f"mkdir -p {folder}")


def _twins(settings: Settings) -> Iterator[Finding]:
    found: dict[Any, list[str]] = defaultdict(list)
    for alias, line in settings.lines.items():
        found[tuple(getattr(line, name, None) for name in _SAME)].append(alias)
    for first, *others in found.values():
        for other in others:
            why = "each text comes in on one of them only, whichever asks first"
            cure = f"take one of [lines.{first}] and [lines.{other}] out, or mend its number"
            yield wrong(other, f"the lines {first} and {other} are one and the same number", why, cure)


def _public(settings: Settings) -> Iterator[Finding]:
    """Addresses at which only this machine, or its neighbours, can call; a simulator may be one of them."""
    if all(is_loopback(line.base_url) for line in settings.lines.values()):
        return
    for url in settings.webhooks.public_url:
        if is_loopback(url) or _is_private(urlsplit(url).hostname or ""):
            why = "web hooks, and the subscribers' browsers, do not arrive"
            cure = "write the address in webhooks.public_url that this machine, or its proxy, has on the internet"
            yield wrong("webhooks", f"AT&T cannot reach {url}: it is not on the internet", why, cure)


def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan", ".home.arpa"))


def _allowed(settings: Settings) -> Iterator[Finding]:
    """Behind a proxy on this machine whoever calls seems to be this machine, unless the proxy is known."""
    webhooks = settings.webhooks
    here = is_loopback(f"http://{webhooks.listen}")
    allows_here = any(network.is_loopback for network in webhooks.allow)
    if webhooks.allow and here and not webhooks.proxies and not allows_here:
        what = "webhooks.allow lets nobody in: relay listens on loopback, and whoever calls seems to be the proxy"
        cure = f'write proxies = ["{webhooks.listen.host}"] below [webhooks], and have the proxy set X-Forwarded-For'
        yield wrong("webhooks", what, "every web hook is answered 404", cure)
