"""The topics as AsyncAPI's channels: their addresses, their messages, and which of them relay hears."""

from collections.abc import Iterator
from dataclasses import dataclass

from relay.bus.topics import Topics
from relay.interface.shapes import COMMANDS, EVENTS, SHAPES, STATES

_LINE, _NODE, _CLIENT = "{line}", "{node}", "{client}"
_BASE = Topics().base
_OF_CLIENTS = ("result", "receipt")


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic, or those that differ in names only.

    Attributes:
        name: its name in the document.
        address: the topic, with names in braces; None: one that a client chooses.
        messages: the names of what is published there.
        says: what it is for.
        is_heard: relay subscribes to it; else it publishes there.
        retained: whether the broker keeps the last message.
        answered_on: the channel of the answer to a command.
    """

    name: str
    address: str | None
    messages: tuple[str, ...]
    says: str
    is_heard: bool = False
    retained: bool = False
    answered_on: str = ""

    @property
    def parameters(self) -> list[str]:
        """The names in its address."""
        return [name for name in ("line", "client", "node") if self.address and f"{{{name}}}" in self.address]


def _all() -> Iterator[Channel]:
    for verb in COMMANDS:
        says = SHAPES[verb].says
        yield Channel(verb, _of_line(verb), (verb,), says, is_heard=True, answered_on="result")
        address = _of_line(f"{verb}/{_CLIENT}")
        yield Channel(f"{verb}OfClient", address, (verb,), says, is_heard=True, answered_on="resultOfClient")
    for name in EVENTS:
        yield _told(name)
        if name in _OF_CLIENTS:
            says = f"{SHAPES[name].says} For commands that were given on the client's own topic."
            yield Channel(f"{name}OfClient", _of_line(f"{name}/{_CLIENT}"), (name,), says)
    chosen = "The Response Topic of a command over MQTT 5: its result and its receipts go there as well."
    yield Channel("response", None, _OF_CLIENTS, chosen)
    for name in STATES:
        whose, what = name.split("-")
        address = _of_line(what) if whose == "line" else f"{_BASE}/node/{_NODE}/{what}"
        yield Channel(f"{whose}{what.capitalize()}", address, (name,), SHAPES[name].says, retained=True)


def _told(name: str) -> Channel:
    kind, _, event = name.partition(".")
    words = (event or kind).split("-")
    label = words[0] + "".join(word.capitalize() for word in words[1:])
    address = f"{_BASE}/dead" if kind == "dead" else _of_line(name.replace("event.", "event/"))
    return Channel(label if not event else f"event{label[0].upper()}{label[1:]}", address, (name,), SHAPES[name].says)


def _of_line(what: str) -> str:
    return f"{_BASE}/line/{_LINE}/{what}"


CHANNELS = tuple(_all())
