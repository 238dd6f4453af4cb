"""App accounts of AT&T's with their short codes, and the listeners that are registered for these."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from yarl import URL

from relay.providerkit.simulated import OAuthClient

SCOPES = frozenset(("SMS", "MMS", "SPEECH", "TTS", "STTC", "ADS"))  # OpenAPI of SMS v3, securitySchemes
DEMO = {"app_key": "demo-key", "app_secret": "demo-secret", "short_code": "12345", "registration_id": "12345"}


@dataclass(frozen=True, slots=True)
class SmsAccount:
    """One app account of AT&T's, with a short code.

    Attributes:
        message_url: where texts that come in go: the short code is online. Empty: it is offline, and polled.
        delivery_url: where the delivery status of texts that were sent with notifyDeliveryStatus goes.
    """

    app_key: str
    app_secret: str
    short_code: str
    registration_id: str
    message_url: str = ""
    delivery_url: str = ""

    @classmethod
    def of(cls, account: Mapping[str, str]) -> "SmsAccount":
        """The account that the fields describe; raises ValueError, naming what is right."""
        names = {one.name for one in fields(cls)}
        may_lack = {"message_url", "delivery_url"}
        if not names - may_lack <= account.keys() <= names:
            needed = ", ".join(sorted(names - may_lack))
            raise ValueError(f"an account has {needed}, and perhaps {' and '.join(sorted(may_lack))}")
        return cls(**{**account, **{name: checked_url(account.get(name, "")) for name in may_lack}})

    def client(self, service: str) -> OAuthClient:
        """The account as OAuth knows it."""
        return OAuthClient(self.app_key, self.app_secret, service, SCOPES, line=self.short_code)


@dataclass(slots=True)
class Accounts:
    """All accounts, by what requests name; several may share an app key."""

    by_code: dict[str, SmsAccount] = field(default_factory=dict)

    @classmethod
    def of(cls, accounts: Iterable[SmsAccount]) -> "Accounts":
        """These accounts."""
        return cls({account.short_code: account for account in accounts})

    def of_app(self, app_key: str) -> Sequence[SmsAccount]:
        """Every short code of an app; without a sender in the request, the last is the sender."""
        return [account for account in self.by_code.values() if account.app_key == app_key]

    def registered(self, app_key: str, registration_id: str) -> SmsAccount | None:
        """The app's short code with that registration id."""
        found = (one for one in self.of_app(app_key) if one.registration_id == registration_id)
        return next(found, None)

    def register(self, facts: Mapping[str, Any]) -> None:
        """Register or take away (with "") a short code's `message_url` or `delivery_url`; raises ValueError."""
        code, urls = facts.get("short_code"), {name: facts[name] for name in facts if name != "short_code"}
        if code not in self.by_code or not urls or urls.keys() - {"message_url", "delivery_url"}:
            raise ValueError("`register` is to have a known `short_code`, and `message_url` or `delivery_url`")
        self.by_code[code] = replace(self.by_code[code], **{name: checked_url(url) for name, url in urls.items()})


def checked_url(url: Any) -> str:
    """The address of a listener, or ""; raises ValueError."""
    try:
        address = URL(url)
    except (ValueError, TypeError) as error:
        raise ValueError("a listener has an address") from error
    if url and (address.scheme not in ("http", "https") or not address.host):
        raise ValueError("a listener has an address with https (the simulator takes http too)")
    return str(url)
