"""The virtual handsets: every number is one, and its last digits say what becomes of a text to it."""

from collections.abc import Callable
from enum import StrEnum

from relay.providerkit.simulated.agenda import Agenda
from relay.providerkit.simulated.modes import Modes
from relay.providerkit.simulated.numbers import e164


class Fate(StrEnum):
    """What becomes of a text to a number; a service that knows no such end delivers it."""

    DELIVERED = "delivered"
    IMPOSSIBLE = "impossible"  # fails at the handset
    STUCK = "stuck"  # never heard of again until the network gives up after 72 h
    INVALID = "invalid"  # not a number: the whole call is refused
    SAYS_YES = "says-yes"  # delivered, and answers YES
    SAYS_STOP = "says-stop"  # delivered, and answers STOP
    LATE = "late"  # delivered after an hour
    SLOW_START = "slow-start"  # waits for ten minutes before the network has it
    NO_CARRIER = "no-carrier"  # refused: its carrier cannot be told
    REFUSED_ONCE = "refused-once"  # refused for an internal error the first time
    MUMBLED_ONCE = "mumbled-once"  # answered with an unknown error the first time, although the text goes out
    UNCERTAIN = "uncertain"  # said to be uncertain until the network gives up after 72 h


FATES = {
    "13": Fate.IMPOSSIBLE,
    "14": Fate.STUCK,
    "15": Fate.INVALID,
    "16": Fate.SAYS_YES,
    "17": Fate.SAYS_STOP,
    "18": Fate.LATE,
    "19": Fate.SLOW_START,
    "20": Fate.REFUSED_ONCE,
    "21": Fate.MUMBLED_ONCE,
    "22": Fate.UNCERTAIN,
    "23": Fate.NO_CARRIER,
}
"""By a number's last two digits; all others, and all that end in 00 and two more, are delivered."""

_ANSWERS = {Fate.SAYS_YES: "YES", Fate.SAYS_STOP: "STOP"}


class HandsetModes(Modes):
    """How handsets behave."""

    fates: bool = True  # off: every text is delivered
    reply_seconds: float = 3  # how long after its delivery a text is answered


class Handset:
    """All handsets: they are texted by the services, and text the numbers that a service has registered."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._served: dict[str, tuple[str, Callable[[str, str], None]]] = {}
        self.modes = HandsetModes()

    def register(self, number: str, service: str, receive: Callable[[str, str], None]) -> None:
        """Let `receive(sender, text)` have what is texted to `number`: E.164, or a short code."""
        self._served[number] = (service, receive)

    def text(self, sender: str, to: str, text: str) -> str:
        """Text `to` from the handset `sender`, both in any form; gives the name of the service that has `to`.

        Raises LookupError if none has.
        """
        served = self._served.get(e164(to) or to)
        if served is None:
            raise LookupError("no simulated service has this number; right is a short code, or +1 and ten digits")
        service, receive = served
        receive(e164(sender) or sender, text)
        return service

    def fate(self, number: str) -> Fate:
        """What becomes of a text to `number`, which is in E.164."""
        if not self.modes.fates or number[-4:-2] == "00":
            return Fate.DELIVERED
        return FATES.get(number[-2:], Fate.DELIVERED)

    def delivered(self, number: str, line: str, at: float) -> None:
        """A text from `line` reaches, or will reach, the handset at `at` (seconds since 1970); it may answer."""
        answer = _ANSWERS.get(self.fate(number))
        if answer is not None:
            self._agenda.at(at + self.modes.reply_seconds, lambda: self.text(number, line, answer))
