"""One sentence in STATUS: what is told, and when."""

import asyncio

from relay.telemetry.saying import Saying


class _Heard:
    """What was told."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._more = asyncio.Event()

    def __call__(self, sentence: str) -> None:
        self.words.append(sentence)
        self._more.set()

    async def once_more(self) -> None:
        """Wait for the next."""
        async with asyncio.timeout(5):
            await self._more.wait()
        self._more.clear()


async def test_the_first_is_told_at_once_and_of_the_next_ones_the_last() -> None:
    """A line that comes and goes does not flood systemd."""
    heard = _Heard()
    saying = Saying(heard, every=0.02)
    for sentence in ("one", "two", "three"):
        saying.say(sentence)
    assert heard.words == ["one"]
    await heard.once_more()
    await heard.once_more()
    assert heard.words == ["one", "three"]


async def test_the_same_is_not_told_twice() -> None:
    """Neither at once nor after the rest."""
    heard = _Heard()
    saying = Saying(heard, every=0.01)
    saying.say("one")
    saying.say("one")
    saying.say("two")
    await heard.once_more()
    await heard.once_more()
    saying.say("two")
    assert heard.words == ["one", "two"]


async def test_the_last_word_does_not_wait() -> None:
    """Relay is about to end."""
    heard = _Heard()
    saying = Saying(heard, every=60)
    saying.say("online")
    saying.say("stopping", now=True)
    assert heard.words == ["online", "stopping"]


async def test_after_anothers_word_the_sentence_comes_again() -> None:
    """That word stays for a while."""
    heard = _Heard()
    saying = Saying(heard, every=60)
    saying.say("online")
    await heard.once_more()
    saying.again(after=0.01)
    saying.say("online")
    assert heard.words == ["online"]
    await heard.once_more()
    assert heard.words == ["online", "online"]
