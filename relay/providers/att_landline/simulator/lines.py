"""The text-enabled numbers: their sessions, and who has asked them to stop."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from relay.providerkit.simulated import World

_STOP = frozenset(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"))
_GO_ON = frozenset(("UNSTOP", "START"))


@dataclass(slots=True)
class LandlineLine:
    """One text-enabled number."""

    number: str
    stopped: set[str] = field(default_factory=set)
    refused_once: set[str] = field(default_factory=set)


class Lines:
    """All lines of the simulator. A line may have several sessions; a session never expires, but can be revoked.

    Raises ValueError where an account is not one.
    """

    def __init__(self, world: World, accounts: Iterable[Mapping[str, str]]) -> None:
        self._world = world
        self._by_number: dict[str, LandlineLine] = {}
        self._by_session: dict[str, LandlineLine] = {}
        for account in accounts:
            self._add(account)

    def _add(self, account: Mapping[str, str]) -> None:
        if account.keys() != {"session", "number"}:
            raise ValueError("an account has number, session")
        number = account["number"]
        self._by_session[account["session"]] = self._by_number.setdefault(number, LandlineLine(number))

    @property
    def numbers(self) -> Iterable[str]:
        """Every line's number."""
        return self._by_number.keys()

    def of_session(self, session: str) -> LandlineLine | None:
        """The line of a session that is good."""
        return self._by_session.get(session)

    def of_number(self, number: str) -> LandlineLine:
        """The line of a number; raises ValueError."""
        if number not in self._by_number:
            raise ValueError("`line` is to be the number of a line, +1 and ten digits")
        return self._by_number[number]

    def revoke(self, line: LandlineLine) -> None:
        """Make all sessions of a line invalid."""
        self._by_session = {session: other for session, other in self._by_session.items() if other is not line}

    def heed(self, line: LandlineLine, sender: str, text: str) -> None:
        """Stop, or go on, sending to `sender` if that is what the text says."""
        word = text.strip().upper()
        if word in _STOP:
            line.stopped.add(sender)
            self._record("stopped", line, sender)
        elif word in _GO_ON and sender in line.stopped:
            line.stopped.remove(sender)
            self._record("unstopped", line, sender)

    def _record(self, what: str, line: LandlineLine, number: str) -> None:
        self._world.ledger.record(what, {"service": "att-landline", "line": line.number, "number": number})
