"""AT&T's SMS service as light as can be: a worker that speaks just enough HTTP/1.1 and knows just enough of the API.

Tokens, sends, inbox pages and delivery status, in the shapes of the simulator's documented version 3; each answer
comes after a latency that can be set. What is asked of the inbox and of status can be held back until it is let go.
"""

import asyncio
import json
from typing import Any, cast

from bench.marks import Times, mark, marked, phone
from bench.worker import obey, run

_TOKEN = b'{"access_token":"bench","token_type":"bearer","expires_in":172800,"refresh_token":"again"}'
_SENT = '{"outboundSMSResponse":{"messageId":"%s","resourceReference":{"resourceURL":"http://127.0.0.1/sms/v3/%s"}}}'
_PAGE = '{"inboundSMSMessageList":{"inboundSMSMessage":[%s],"numberOfMessagesInThisBatch":%d,"resourceURL":"http://127.0.0.1/inbox","totalNumberOfPendingMessages":%d}}'
_MESSAGE = '{"messageId":"msg%d","message":"Where is my %s? It was to come today, between nine and twelve.","senderAddress":"tel:%s","destinationAddress":"12345","dateTime":"2026-11-22T06:00:00Z"}'  # noqa: E501 - one body
_HEAD_END = b"\r\n\r\n"


class Service:
    """What the stub has to give, and what it has seen."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.inbox = 0  # messages that wait
        self.batch = 50  # of them in a page
        self.follows = False  # whether statuses are told
        self.held: list[Exchange] | None = None  # what is asked while answers are held back
        self.calls = self.recipients = self.taken = self.told = self.tokens = self.looks = 0
        self.arrivals = Times()
        self.keep_times = True
        self.sent: dict[str, bytes] = {}

    def answer(self, method: bytes, path: bytes, body: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        if method == b"POST":
            return self._token() if path.startswith(b"/oauth/") else self._send(body)
        if b"/inbox/" in path:
            return 200, self._page()
        return self._status(path.rpartition(b"/")[2].decode())

    def _token(self) -> tuple[int, bytes]:
        self.tokens += 1
        return 200, _TOKEN

    def _send(self, body: bytes) -> tuple[int, bytes]:
        self.calls += 1
        self.recipients += body.count(b"tel:")
        number = marked(body)
        sent_id = f"SMS{self.calls if number is None else number + 1:016x}"
        if self.keep_times:
            self.arrivals.note(body)
        if self.follows:
            self.sent[sent_id] = body[body.index(b"[") : body.index(b"]") + 1]
        return 201, (_SENT % (sent_id, sent_id)).encode()

    def _page(self) -> bytes:
        count = min(self.batch, self.inbox)
        self.inbox -= count
        first = self.taken
        self.taken += count
        texts = ",".join(_MESSAGE % (n, mark(first + n), phone(first + n)) for n in range(count))
        return (_PAGE % (texts, count, self.inbox)).encode()

    def _status(self, sent_id: str) -> tuple[int, bytes]:
        self.looks += 1
        addresses = json.loads(self.sent.pop(sent_id, b"[]"))
        if not addresses:
            return 404, b'{"requestError":{"serviceException":{"messageId":"SVC0002","text":"Invalid input"}}}'
        self.told += len(addresses)
        infos = [{"address": address, "deliveryStatus": "DeliveredToTerminal"} for address in addresses]
        return 200, json.dumps(
            {"deliveryInfoList": {"deliveryInfo": infos, "resourceURL": "http://127.0.0.1/"}}
        ).encode()


class Exchange(asyncio.Protocol):
    """One connection: a request at a time, answered when its latency is over."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._buffer = b""
        self._asked: tuple[bytes, bytes, bytes] = (b"", b"", b"")
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read requests that are whole."""
        self._buffer = self._buffer + data if self._buffer else data
        while (end := self._buffer.find(_HEAD_END)) >= 0:
            head, rest = self._buffer[:end], self._buffer[end + len(_HEAD_END) :]
            length = _length(head)
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            method, path, _ = head.split(b" ", 2)
            self._asked = (method, path, rest[:length])
            self._begin()

    def _begin(self) -> None:
        service, (method, _, _) = self._service, self._asked
        if service.held is not None and method == b"GET":
            service.held.append(self)
        elif service.latency and method == b"GET":
            asyncio.get_running_loop().call_later(service.latency, self.answer)
        else:
            # Taken when it comes, answered later: the way to here is what is measured.
            answer = service.answer(*self._asked)
            if service.latency:
                asyncio.get_running_loop().call_later(service.latency, self._write, *answer)
            else:
                self._write(*answer)

    def answer(self) -> None:
        """Answer what was asked."""
        self._write(*self._service.answer(*self._asked))

    def _write(self, status: int, body: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            head = b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            self._transport.write(head % (status, len(body)) + body)


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


class Stub:
    """The worker: what it can be told to do."""

    def __init__(self) -> None:
        self._service = Service()

    async def listen(self) -> int:
        """Begin; gives the port."""
        server = await asyncio.get_running_loop().create_server(lambda: Exchange(self._service), "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def set(self, **facts: Any) -> None:
        """Set latency (seconds), inbox, batch, follows, keep_times."""
        for name, value in facts.items():
            setattr(self._service, name, value)

    async def make(self, calls: int, recipients: int) -> None:
        """Be as after so many calls, made by somebody else."""
        service = self._service
        for call in range(calls):
            service.calls += 1
            addresses = [f"tel:{phone(call * recipients + each)}" for each in range(recipients)]
            service.sent[f"SMS{service.calls:016x}"] = json.dumps(addresses).encode()

    async def hold(self) -> None:
        """Answer no GET from now on but for the token."""
        self._service.held = []

    async def release(self) -> None:
        """Answer them all, and those to come."""
        held, self._service.held = self._service.held or [], None
        for each in held:
            each.answer()

    async def counts(self) -> dict[str, int]:
        """What was seen so far."""
        names = ("calls", "recipients", "taken", "told", "tokens", "looks")
        return {name: getattr(self._service, name) for name in names}

    async def times(self, path: str) -> int:
        """Write when each text arrived into a file."""
        return self._service.arrivals.write(path)


_VERBS = ("listen", "set", "make", "hold", "release", "counts", "times")


async def main() -> None:
    """Obey."""
    stub = Stub()
    await obey({name: getattr(stub, name) for name in _VERBS})


if __name__ == "__main__":
    run(main)
