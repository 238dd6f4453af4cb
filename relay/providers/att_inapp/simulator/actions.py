"""What happens to a subscriber without any request: people write, the phone is used, consent and index end."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from relay.providerkit.simulated import World
from relay.providers.att_inapp.simulator.addresses import canonical
from relay.providers.att_inapp.simulator.incoming import Incoming, Written
from relay.providers.att_inapp.simulator.mail import MailPart, StoredMail
from relay.providers.att_inapp.simulator.mailbox import Mailbox
from relay.providers.att_inapp.simulator.outgoing import Outgoing
from relay.providers.att_inapp.simulator.sending import Asked

Facts = Mapping[str, Any]


class Actions:
    """The actions of In-App Messaging, by name; all raise ValueError where their facts are wrong.

    Each takes `line`, the subscriber's number; where there is only one it may be left out. `parts` are a list of
    {content_type, name?, data (base64)}.

    - `receive` {from, text?, subject?, parts?, recipients? (others), at? (ISO 8601), lost? (places of segments)}
    - `text-from-phone` {to (one or a list), text?, subject?, parts?, group?}
    - `read` {id or ids, is_unread? (false)}, `delete` {id or ids}: on the phone
    - `expire-index`, `purge-states`, `withdraw-consent`
    - `expire-tokens`, `revoke-tokens`: of all lines
    """

    def __init__(self, world: World, mailboxes: Mapping[str, Mailbox], outgoing: Outgoing, incoming: Incoming) -> None:
        self._world = world
        self._mailboxes = mailboxes
        self._outgoing = outgoing
        self._incoming = incoming
        self._actions: Mapping[str, Callable[[Facts], None]] = {
            "receive": self._receive,
            "text-from-phone": self._text,
            "read": self._read,
            "delete": self._delete,
            "expire-index": lambda facts: self._mailbox(facts).index.expire(),
            "purge-states": lambda facts: self._mailbox(facts).states.purge(),
            "withdraw-consent": lambda facts: world.oauth.withdraw(self._mailbox(facts).number),
            "expire-tokens": lambda _: world.oauth.expire("att-inapp"),
            "revoke-tokens": lambda _: world.oauth.revoke("att-inapp"),
        }

    def do(self, action: str, facts: Facts) -> None:
        """Do it."""
        if action not in self._actions:
            raise ValueError(f"`do` is to be one of {', '.join(self._actions)}")
        self._actions[action](facts)

    def _mailbox(self, facts: Facts) -> Mailbox:
        line = facts.get("line")
        if line is None and len(self._mailboxes) == 1:
            return next(iter(self._mailboxes.values()))
        if line not in self._mailboxes:
            raise ValueError(f"`line` is to be one of {', '.join(self._mailboxes)}")
        return self._mailboxes[str(line)]

    def _receive(self, facts: Facts) -> None:
        written = Written(
            sender=_address(facts.get("from"), "from"),
            text=_optional(facts, "text"),
            subject=_optional(facts, "subject"),
            files=_parts(facts),
            others=_addresses(facts.get("recipients", []), "recipients"),
            at=_moment(facts),
            lost=[int(place) for place in facts.get("lost", ())],
        )
        self._incoming.receive(self._mailbox(facts), written)

    def _text(self, facts: Facts) -> None:
        to = _addresses(facts.get("to"), "to")
        text, files = _optional(facts, "text"), _parts(facts)
        if not to or not (text or files):
            raise ValueError("`to` is to be an address or a list of them; `text` or `parts` is needed")
        asked = Asked(to, text, _optional(facts, "subject"), facts.get("group") is True, files)
        self._outgoing.send_from_phone(self._mailbox(facts), asked)

    def _read(self, facts: Facts) -> None:
        mailbox = self._mailbox(facts)
        for mail in _messages(mailbox, facts):
            mailbox.update(mail, "phone", unread=facts.get("is_unread") is True)

    def _delete(self, facts: Facts) -> None:
        mailbox = self._mailbox(facts)
        for mail in _messages(mailbox, facts):
            mailbox.delete(mail, "phone")


def _messages(mailbox: Mailbox, facts: Facts) -> Sequence[StoredMail]:
    wanted = [facts["id"]] if "id" in facts else facts.get("ids", [])
    found = [mail for one in wanted if (mail := mailbox.store.get(str(one)))] if isinstance(wanted, list) else []
    if not found or len(found) < len(wanted):
        raise ValueError("`id`, or each of `ids`, is to be the id of a message that is there")
    return found


def _addresses(value: Any, name: str) -> Sequence[str]:
    return [_address(one, name) for one in (value if isinstance(value, list) else [value])]


def _address(value: Any, name: str) -> str:
    address = canonical(value) if isinstance(value, str) else None
    if address is None:
        raise ValueError(f"`{name}` is to be a number, a short code or an e-mail address")
    return address


def _optional(facts: Facts, name: str) -> str | None:
    value = facts.get(name)
    if not isinstance(value, str | None):
        raise ValueError(f"`{name}` is to be a string")  # noqa: TRY004 - one class for wrong facts
    return value


def _moment(facts: Facts) -> datetime | None:
    text = _optional(facts, "at")
    moment = datetime.fromisoformat(text) if text else None
    if moment and moment.tzinfo is None:
        raise ValueError("`at` is to have a zone, such as Z")
    return moment.astimezone(UTC) if moment else None


def _parts(facts: Facts) -> Sequence[MailPart]:
    try:
        return [
            MailPart(str(part.get("name", f"file{place}")), str(part["content_type"]), _bytes(part["data"]))
            for place, part in enumerate(facts.get("parts") or ())
        ]
    except (KeyError, AttributeError, TypeError, binascii.Error) as error:
        raise ValueError("`parts` is to be a list of {content_type, name, data (base64)}") from error


def _bytes(data: str) -> bytes:
    return base64.b64decode(data, validate=True)
