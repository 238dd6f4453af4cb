"""The loop breaker at the door: the same text to the same number once too often is not taken."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from relay.domain.addresses import Address
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import MessageClass, SendRequest
from relay.domain.states import Status
from relay.providerkit.duration import spoken
from relay.rules.loops import LoopBreaker

_MOST_TOLD = 65_536


class Repeats:
    """What was accepted of late, by line, number and text; kept in memory.

    Args:
        limit: so often the same text may go to the same number ...
        within: ... in so many seconds; a limit of 0 lets everything pass.
    """

    def __init__(self, limit: int = 0, within: float = 3600.0) -> None:
        self.limit = limit
        self.within = within
        self._breaker = LoopBreaker(limit, within) if limit > 0 else None
        self._being_written: Counter[tuple[str, str, str]] = Counter()
        self._told: dict[tuple[str, str], datetime] = {}

    def of(self, request: SendRequest, now: datetime) -> "Watch":
        """The watch over one request. What confirms an opt-out passes, and does not count."""
        is_free = self._breaker is None or request.message_class is MessageClass.COMPLIANCE
        return Watch(self, request.line, None if is_free else _digest(request), now)

    def told_of(self, address: str) -> dict[str, Any]:
        """What is announced of a number whose text was refused; `within` is in seconds."""
        return {"address": address, "repeats": self.limit, "within": self.within}

    def suspects(self, line: str, address: str, text: str, now: datetime) -> bool:
        """Whether the text went to this number as often as it may, those included that are being written down."""
        if self._breaker is None:
            return False
        under_way = self._being_written[line, address, text]
        return self._breaker.suspects(line, address, text, now, under_way=under_way)

    def note(self, line: str, address: str, text: str, now: datetime) -> None:
        """The text was accepted for this number."""
        if self._breaker is not None:
            self._breaker.note(line, address, text, now)

    @contextmanager
    def writing(self, keys: Sequence[tuple[str, str, str]]) -> Iterator[None]:
        """Count these (line, number, text), while they are written down, as if they were accepted."""
        self._being_written.update(keys)
        try:
            yield
        finally:
            self._being_written.subtract(keys)
            for key in keys:
                if not self._being_written[key]:
                    del self._being_written[key]

    def untold(self, line: str, addresses: Iterable[str], now: datetime) -> list[str]:
        """Those of the numbers of which nothing was told within the window; from now on something was."""
        fresh = [one for one in addresses if self._told.get((line, one), now) <= now]
        for one in fresh:
            # At the end again, so that the first is the oldest.
            self._told.pop((line, one), None)
            self._told[line, one] = now + timedelta(seconds=self.within)
        while self._told and (len(self._told) > _MOST_TOLD or next(iter(self._told.values())) <= now):
            del self._told[next(iter(self._told))]
        return fresh


@dataclass(slots=True)
class Watch:
    """One request, as the loop breaker sees it; `text` stands for its content, and is None where it may pass."""

    repeats: Repeats
    line: str
    text: str | None
    now: datetime
    suspected: list[str] = field(default_factory=list, repr=False)

    def problem(self, address: Address) -> Problem | None:
        """Why this recipient is not sent to; None where nothing speaks against it."""
        if self.text is None or not self.repeats.suspects(self.line, address.value, self.text, self.now):
            return None
        self.suspected.append(address.value)
        return Problem(
            ErrorCode.LOOP_SUSPECTED,
            f"this text went to this number {self.repeats.limit} times within {spoken(self.repeats.within)}, as often"
            " as it may: see queue.repeat_limit and queue.repeat_within",
        )

    @contextmanager
    def writing(self, addresses: Sequence[str]) -> Iterator[None]:
        """Let what comes while the request is written down see that it goes to these numbers."""
        keys = [] if self.text is None else [(self.line, address, self.text) for address in addresses]
        with self.repeats.writing(keys):
            yield

    def answered(self, result: Mapping[str, Any]) -> list[str]:
        """Count the copies of a request that was accepted now; gives the suspected numbers that are to be told of."""
        if self.text is None or result["outcome"] != "accepted" or result["replayed"]:
            return []
        for one in result["copies"]:
            if one["status"] != Status.FAILED.value:
                self.repeats.note(self.line, one["to"], self.text, self.now)
        return self.repeats.untold(self.line, self.suspected, self.now)


def _digest(request: SendRequest) -> str:
    """Equal for equal texts with equal subjects and attachments."""
    digest = blake2b(digest_size=16)
    texts = (request.text or "", request.subject or "")
    for part in (*(text.encode(errors="surrogatepass") for text in texts), *(one.data for one in request.media)):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
