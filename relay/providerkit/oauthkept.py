"""A token <-> a line's small memory: one record, so that the tokens in it are never of two answers.

Other nodes may write the same record. Whoever writes says what he has seen there; what was put there meanwhile is
given to him, and he says which of the two stays.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from pydantic_core import to_json

from relay.domain.errors import Malformed
from relay.providerkit.oauthendpoint import Token
from relay.providerkit.parse import as_id, as_object, as_time, understood
from relay.providerkit.sharing import Sharing

log = structlog.get_logger()

_KEY = "oauth.token"
_TIMES = ("renew_at", "expires_at", "since", "renewable_until")

Yields = Callable[[Token], bool]


class KeptToken:
    """The record of a line's token.

    Args:
        sharing: where it is kept, and who else writes it.
        fingerprint: gives what a token is recognised by as this app's; a record of another is not used.
    """

    def __init__(self, sharing: Sharing, fingerprint: Callable[[], str]) -> None:
        self._sharing = sharing
        self._fingerprint = fingerprint
        self._seen: bytes | None = None

    async def read(self) -> Token | None:
        """The token; None where there is none of this app's."""
        self._seen = await self._sharing.get(_KEY)
        return self._meaning(self._seen)

    async def peek(self) -> Token | None:
        """The same, and whoever writes next need not have seen it."""
        return self._meaning(await self._sharing.get(_KEY))

    async def news(self) -> Token | None:
        """The token that was kept since the record was last read or written; None where none of this app's was."""
        before, fresh = self._seen, await self.read()
        return None if self._seen == before else fresh

    async def keep(self, token: Token, yields: Yields) -> Token:
        """Keep a token in place of what was seen last; gives the one that is kept then.

        Args:
            token: which.
            yields: whether it gives way to one that another node has kept meanwhile.
        """
        value = self._written(token)
        while True:
            self._seen = await self._sharing.swap(_KEY, self._seen, value)
            if self._seen == value:
                return token
            other = self._meaning(self._seen)
            if other is not None and yields(other):
                log.info("oauth.token.superseded")
                return other

    def _written(self, token: Token) -> bytes:
        secrets = {"access": token.access, "refresh": token.refresh}
        words = {"app": self._fingerprint(), "ended": token.ended, "shown_by": token.shown_by}
        times: dict[str, datetime | None] = {name: getattr(token, name) for name in _TIMES}
        return to_json({**words, **secrets, **{name: at.isoformat() if at else None for name, at in times.items()}})

    def _meaning(self, kept: bytes | None) -> Token | None:
        try:
            return understood(kept, "the kept token", self._recalled) if kept else None
        except Malformed:
            log.warning("oauth.token.unreadable")
            return None

    def _recalled(self, value: Any) -> Token | None:
        kept = as_object(value, "the token")
        access, ended = as_id(kept.get("access")), as_id(kept.get("ended"))
        if kept.get("app") != self._fingerprint() or not (access or ended):
            return None
        return Token(
            access or "",
            as_id(kept.get("refresh")),
            renew_at=as_time(kept.get("renew_at")),
            expires_at=as_time(kept.get("expires_at")),
            since=as_time(kept.get("since")),
            renewable_until=as_time(kept.get("renewable_until")),
            ended=ended,
            shown_by=as_id(kept.get("shown_by")),
        )
