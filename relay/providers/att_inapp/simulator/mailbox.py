"""One subscriber at AT&T: the message store, its index, and the states that were told of it."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from relay.providerkit.simulated import World
from relay.providers.att_inapp.simulator.index import Index
from relay.providers.att_inapp.simulator.mail import NewMail, StoredMail
from relay.providers.att_inapp.simulator.modes import InAppModes
from relay.providers.att_inapp.simulator.states import States
from relay.providers.att_inapp.simulator.store import Store

_FIRST_ID = 500_001
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class InAppAccount:
    """An app account of AT&T's, and the number (E.164) of a subscriber who may consent to it."""

    app_key: str
    app_secret: str
    number: str

    @classmethod
    def of(cls, account: Mapping[str, str]) -> "InAppAccount":
        """The account that the fields describe; raises ValueError, naming what is right."""
        names = {field.name for field in fields(cls)}
        if account.keys() != names:
            raise ValueError(f"an account has {', '.join(sorted(names))}")
        return cls(**account)


class MessageIds:
    """Makes the ids of messages, and those that sends are answered with, from one row: they look alike."""

    def __init__(self, modes: InAppModes) -> None:
        self._modes = modes
        self._row = itertools.count(_FIRST_ID)
        self._of_sends: OrderedDict[str, None] = OrderedDict()

    def of_message(self) -> str:
        """A new message's."""
        number = next(self._row)
        return f"msg-{number}" if self._modes.message_ids == "plain" else f"WU/{number}+a=%2F"

    def of_send(self) -> str:
        """A new send's: good for tracing only."""
        send_id = self.of_message()
        self._of_sends[send_id] = None
        while len(self._of_sends) > _REMEMBERED:
            self._of_sends.popitem(last=False)
        return send_id

    def is_of_send(self, message_id: str) -> bool:
        """Whether a send was answered with this id."""
        return message_id in self._of_sends


class Mailbox:
    """One subscriber's mail, as AT&T keeps it."""

    def __init__(self, world: World, modes: InAppModes, number: str, new_id: Callable[[], str]) -> None:
        self._world = world
        self.number = number
        self.store = Store(new_id)
        self.states = States(world, modes)
        self.index = Index(world, modes, number, self.states.purge)

    def put(self, new: NewMail, send_id: str | None = None) -> StoredMail:
        """Put a message into the store; `send_id` is what its send was answered with."""
        mail = self.store.add(new)
        facts = {"id": mail.id, "incoming": new.incoming, "from": new.sender, "to": list(new.recipients)}
        self.record("stored", {**facts, "text": new.text, "type": mail.type, "send_id": send_id})
        return mail

    def update(self, mail: StoredMail, by: str, *, unread: bool | None = None, favorite: bool | None = None) -> None:
        """Set flags of a message; `by` is `api` or `phone`."""
        if self.store.update(mail, unread=unread, favorite=favorite):
            self.record("updated", {"id": mail.id, "is_unread": mail.unread, "by": by})

    def delete(self, mail: StoredMail, by: str) -> None:
        """Take a message out; `by` is `api` or `phone`."""
        self.store.delete(mail)
        self.record("deleted", {"id": mail.id, "by": by})

    def record(self, what: str, facts: Mapping[str, object]) -> None:
        """Write a line into the ledger."""
        self._world.ledger.record(what, {"service": "att-inapp", "line": self.number, **facts})
