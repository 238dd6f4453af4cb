"""One connection with its answers: published and subscribed with the broker's own word, acknowledged by hand."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from mqtt5 import ConnAckPacket

from relay.bus.channel import Channel, Listener, Loss, Received
from relay.bus.channel5 import Channel5
from relay.bus.confirmations import Confirmations, Sending, Settled
from relay.bus.dial import Dial
from relay.bus.errors import BusLost, PublishRefused, SubscribeRefused
from relay.bus.payloads import Publication

__all__ = ["Link", "Receive", "Received", "Sending", "Settled", "channel_of"]

# Reasons of a broker that closes the connection which are about the broker itself, and not about what was published
# (MQTT 5, section 3.14.2.1): busy, shutting down, keep alive, taken over, by hand, moved, rates.
_ABOUT_ITSELF = frozenset({0x89, 0x8B, 0x8D, 0x8E, 0x96, 0x98, 0x9C, 0x9D, 0x9F, 0xA0})

Receive = Callable[["Link", Received], None]


def channel_of(dial: Dial, listener: Listener) -> Channel:
    """A channel that speaks the MQTT of this dial, not yet open."""
    if dial.protocol == "5":
        return Channel5(dial, listener)
    # Only an old broker needs them, and every start would pay for them.
    from relay.bus.channel311 import Channel311  # noqa: PLC0415 - as above

    return Channel311(dial, listener)


class Link:
    """One connection to the broker, used once; `async with` makes it.

    Left by an exception it ends without a goodbye, so that the broker publishes the will; unless `leaving` was set.
    `idle`: nothing that was published waited for its confirmation as the link ended.

    Args:
        dial: what to connect with.
        receive: called with each message as it arrives; it must not raise.
        make: makes the channel.

    Raises:
        NoConnection: on entering.
    """

    def __init__(self, dial: Dial, receive: Receive, make: Callable[[Dial, Listener], Channel] = channel_of) -> None:
        self.dial = dial
        self.leaving = False
        self.idle = True
        self._receive = receive
        self._channel = make(dial, self)
        self._loss: Loss | None = None
        silent = partial(self.drop, "the broker did not answer in time")
        self._publishing = Confirmations(self._channel, dial.settings.timeout, self._gone, silent)
        self._subscribing: dict[int, asyncio.Future[Sequence[int]]] = {}

    async def __aenter__(self) -> Self:
        await self._channel.open()
        granted, window = self.granted, self.dial.settings.window
        self._publishing.window = min(window, granted.receive_max) if granted else window
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close(goodbye=kind is None or self.leaving)

    async def lost(self) -> Loss:
        """Wait for the end of the link."""
        return await self._channel.ended()

    @property
    def up(self) -> bool:
        """Whether the link can still be used."""
        return self._channel.up

    @property
    def session_present(self) -> bool:
        """Whether the broker still knew this client."""
        return self._channel.session_present

    @property
    def granted(self) -> ConnAckPacket | None:
        """What the broker said of itself as it let relay in; None on MQTT 3.1.1."""
        return self._channel.granted

    def drop(self, detail: str) -> None:
        """End the link without a goodbye: what was not acknowledged comes again, and the will is published."""
        self._channel.abort(Loss(detail, ours=True))

    def leave(self, reason: int) -> None:
        """End the link with a goodbye that says why, as far as the protocol can: what was not acknowledged stays."""
        self.leaving = True
        if self.up:
            self._channel.leave(reason)

    def pause(self) -> None:
        """Read nothing more, confirmations included."""
        self._channel.pause()

    def resume(self) -> None:
        """Read again."""
        self._channel.resume()

    def ack(self, mid: int, qos: int) -> None:
        """Acknowledge what this very link received; does nothing once it is lost."""
        if self._channel.up:
            self._channel.ack(mid, qos)

    def send(self, what: Publication, settled: Settled) -> Sending:
        """Publish at QoS 1, and be told later: without a task that waits.

        Args:
            what: to publish; it waits in its turn where the broker, or the network, takes no more at present.
            settled: called once, and not before `send` has returned: with None when the broker has confirmed, else
                with the error that `publish` would raise. It must not raise.

        Returns:
            what `forget` takes.

        Raises:
            BusLost: the link is lost already; `settled` is not called.
            PublishRefused: it can be no packet, or is too large for the broker; likewise.
        """
        return self._publishing.add(what, settled)

    def forget(self, sending: Sending) -> None:
        """Tell nobody what becomes of it; it is not sent any more where it was not yet."""
        self._publishing.forget(sending)

    async def publish(self, what: Publication) -> None:
        """Publish at QoS 1; returns when the broker has confirmed.

        Raises:
            BusLost: the link broke before, or the broker kept silent.
            PublishRefused: the broker refused it, or would close the connection over its size.
        """
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sending = self._publishing.add(what, partial(_settle, answer))
        try:
            await answer
        except asyncio.CancelledError:
            self._publishing.forget(sending)
            raise

    async def subscribe(self, filters: Sequence[str], *, retained: bool = True) -> None:
        """Subscribe at QoS 1; returns when the broker has granted every filter.

        Args:
            filters: what to hear.
            retained: have the retained messages where the session is new (on MQTT 3.1.1 they always come).

        Raises:
            BusLost: the link broke, or the broker kept silent.
            SubscribeRefused: at least one filter was refused.
        """
        mid = self._channel.subscribe(filters, retained=retained) if self.up else None
        if mid is None:
            raise self._gone()
        codes = await self._answered(mid)
        refused = [each for each, code in zip(filters, codes, strict=False) if code != 1]
        if refused or len(codes) != len(filters):
            raise SubscribeRefused(refused or filters)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Hear these no more; what is under way already may still come."""
        if self.up:
            self._channel.unsubscribe(filters)

    def on_message(self, received: Received) -> None:
        """A message has come."""
        self._receive(self, received)

    def on_published(self, mid: int, code: int) -> None:
        """The broker's word on a publication has come."""
        self._publishing.confirmed(mid, code)

    def on_subscribed(self, mid: int, codes: Sequence[int]) -> None:
        """The broker's word on a subscription has come."""
        answer = self._subscribing.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(codes)

    def on_room(self) -> None:
        """The network takes more."""
        self._publishing.fill()

    def on_end(self, loss: Loss) -> None:
        """Fail whatever waits for an answer, at once."""
        self._loss = loss
        self.idle = self._publishing.idle
        self._publishing.end(loss.code, partial(self._gone, on_the_way=True))
        for answer in self._subscribing.values():
            if not answer.done():
                answer.set_exception(self._gone(on_the_way=True))

    async def _answered(self, mid: int) -> Sequence[int]:
        """The broker's answer to a subscription; a broker that keeps silent has lost its link."""
        answer: asyncio.Future[Sequence[int]] = asyncio.get_running_loop().create_future()
        self._subscribing[mid] = answer
        try:
            async with asyncio.timeout(self.dial.settings.timeout):
                return await answer
        except TimeoutError:
            self.drop("the broker did not answer in time")
            raise self._gone(on_the_way=True) from None
        finally:
            del self._subscribing[mid]

    def _gone(self, *, on_the_way: bool = False) -> BusLost:
        loss = self._loss or Loss("the connection to the broker is lost", ours=True)
        closed = on_the_way and not loss.ours and loss.code not in _ABOUT_ITSELF
        return BusLost(loss.detail, on_the_way=on_the_way, closed=closed)


def _settle(answer: "asyncio.Future[None]", error: BusLost | PublishRefused | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(None)
    else:
        answer.set_exception(error)
