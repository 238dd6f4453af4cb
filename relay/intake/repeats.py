"""The loop breaker at the door: the same text to the same number once too often is not taken."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
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
        self._being_written: dict[tuple[str, str, str], int] = {}
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
        under_way = self._being_written.get((line, address, text), 0)
        return self._breaker.suspects(line, address, text, now, under_way=under_way)

    def note(self, line: str, address: str, text: str, now: datetime) -> None:
        """The text was accepted for this number."""
        if self._breaker is not None:
            self._breaker.note(line, address, text, now)

    def writing(self, keys: Sequence[tuple[str, str, str]]) -> AbstractContextManager[None]:
        """Count these (line, number, text), while they are written down, as if they were accepted."""
        return _Writing(self._being_written, keys) if keys else _NOTHING_WRITTEN

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

    def writing(self, addresses: Sequence[str]) -> AbstractContextManager[None]:
        """Let what comes while the request is written down see that it goes to these numbers."""
        return self.repeats.writing([] if self.text is None else [(self.line, each, self.text) for each in addresses])

    def answered(self, result: Mapping[str, Any]) -> list[str]:
        """Count the copies of a request that was accepted now; gives the suspected numbers that are to be told of."""
        if self.text is None or result["outcome"] != "accepted" or result["replayed"]:
            return []
        for one in result["copies"]:
            if one["status"] != Status.FAILED.value:
                self.repeats.note(self.line, one["to"], self.text, self.now)
        return self.repeats.untold(self.line, self.suspected, self.now)


class _Writing:
    """Counts while it is entered."""

    __slots__ = ("_counts", "_keys")

    def __init__(self, counts: dict[tuple[str, str, str], int], keys: Sequence[tuple[str, str, str]]) -> None:
        self._counts = counts
        self._keys = keys

    def __enter__(self) -> None:
        for key in self._keys:
            self._counts[key] = self._counts.get(key, 0) + 1

    def __exit__(self, *_: object) -> None:
        for key in self._keys:
            left = self._counts[key] - 1
            if left:
                self._counts[key] = left
            else:
                del self._counts[key]


_NOTHING_WRITTEN = nullcontext()


def _digest(request: SendRequest) -> str:
    """Equal for equal texts with equal subjects and attachments."""
    digest = blake2b(digest_size=16)
    texts = (request.text or "", request.subject or "")
    for part in (*(text.encode(errors="surrogatepass") for text in texts), *(one.data for one in request.media)):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
