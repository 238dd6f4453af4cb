"""The text-enabled numbers: their sessions, and who has asked them to stop."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from relay.providerkit.simulated import World

_STOP = frozenset(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"))
_GO_ON = frozenset(("UNSTOP", "START"))
_ALWAYS, _LOGIN = frozenset(("session", "number")), frozenset(("username", "password"))


@dataclass(slots=True)
class LandlineLine:
    """One text-enabled number."""

    number: str
    stopped: set[str] = field(default_factory=set)
    refused_once: set[str] = field(default_factory=set)


class Lines:
    """All lines of the simulator. A line may have several sessions; a session never expires, but can be revoked.

    An account may have a user name and a password, with which a login gives a new session.

    Raises ValueError where an account is not one.
    """

    def __init__(self, world: World, accounts: Iterable[Mapping[str, str]]) -> None:
        self._world = world
        self._by_number: dict[str, LandlineLine] = {}
        self._by_session: dict[str, LandlineLine] = {}
        self._by_login: dict[tuple[str, str], LandlineLine] = {}
        for account in accounts:
            self._add(account)

    def _add(self, account: Mapping[str, str]) -> None:
        if not _ALWAYS <= account.keys() <= _ALWAYS | _LOGIN or account.keys() & _LOGIN not in (set(), _LOGIN):
            raise ValueError("an account has number, session, and username with password or neither")
        number = account["number"]
        line = self._by_number.setdefault(number, LandlineLine(number))
        self._by_session[account["session"]] = line
        if "username" in account:
            self._by_login[account["username"], account["password"]] = line

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

    def log_in(self, username: str, password: str) -> tuple[LandlineLine, str] | None:
        """A new session, and its line; None for a wrong user name or password."""
        line = self._by_login.get((username, password))
        if line is None:
            return None
        session = f"{UUID(int=self._world.ids.chance.getrandbits(128), version=4)}:{int(line.number[1:]) % 10**9}"
        self._by_session[session] = line
        self._world.ledger.record("login", {"service": "att-landline", "line": line.number})
        return line, session

    def log_out(self, session: str) -> None:
        """End one session."""
        self._by_session.pop(session, None)

    def change_password(self, line: LandlineLine) -> None:
        """Make every user name and password of a line wrong."""
        self._by_login = {login: other for login, other in self._by_login.items() if other is not line}

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
