"""relay -> provider -> relay: one HTTP request, one answer, and the knowledge of whether the request was written.

The two things a sender must not mix up are told apart here and nowhere else: "could not connect" (nothing was
written, `TryLater`) and "no full answer" (it may have taken effect, `OutcomeUnknown`).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NoReturn
from urllib.parse import quote

import aiohttp
import structlog
from yarl import URL

from relay.domain.errors import ErrorCode, OutcomeUnknown, Problem, TryLater

log = structlog.get_logger()

_CONNECT_SECONDS = 10.0
# A pooled connection that the other side has just closed turns a send into an unknown outcome: reuse only young ones.
_KEEP_ALIVE_SECONDS = 4.0
_CHUNK = 1 << 16

Watch = Callable[[str, str, str, float], None]  # is told each request's method, path, code and seconds


def unwatched(method: str, path: str, code: str, seconds: float) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer, whole unless `broken` says why not.

    `headers` may be asked in any case; `content_type` is lower case and without parameters.

    `hidden` is what the request carried and nobody is to see, should the answer repeat it.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    content_type: str = ""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    broken: str = ""

    @property
    def is_page(self) -> bool:
        """Whether it is a web page, and so a gateway's word rather than the service's."""
        return self.content_type in {"text/html", "application/xhtml+xml"}


class Http:
    """Requests to one provider: bounded in size and time, never redirected, never silently repeated.

    Args:
        base_url: `https`, or `http` to loopback; raises ValueError for any other (see `checked_base_url`).
        timeout_seconds: for a whole request and its answer, in real seconds.
        max_body: bytes of an answer (unpacked) beyond which it counts as no answer.
        user_agent: how relay names itself.
        watch: is told how each request went: the path as it is before ids are filled in, the HTTP status or the
            stable code of why there is none, and real seconds.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float = 30.0,
        max_body: int = 1 << 20,
        user_agent: str = "relay",
        watch: Watch = unwatched,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self._base_url = checked_base_url(base_url)
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_seconds,
            connect=min(_CONNECT_SECONDS, timeout_seconds),
            ceil_threshold=timeout_seconds + 1,
        )
        self._max_body = max_body
        self._user_agent = user_agent
        self._watch = watch
        self._log = log.bind()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def call(  # noqa: PLR0913 - an HTTP request has this many parts
        self,
        method: str,
        path: str,
        *,
        fill: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        fresh: bool = False,
        partly: bool = False,
        most: int | None = None,
        hidden: Iterable[str] = (),
    ) -> HttpAnswer:
        """Make one request and read its whole answer, whatever its status.

        Args:
            method: the HTTP method.
            path: from the base URL on, starting with a slash; `{name}` stands for an id.
            fill: the ids in the path, by name; they are percent-encoded, and the log shows only their names.
            headers: beside User-Agent and Accept-Encoding.
            params: the query; every reserved character (also `+`) is percent-encoded.
            body: sent as it is.
            fresh: use a connection of its own. For reads that delete what they return: a connection that died
                while it was idle would look like a page that was lost.
            partly: a success that breaks off is given as far as it came. For the same reads: what came is nowhere else.
            most: bytes of the answer, in place of `max_body`.
            hidden: secrets and texts in the request; the credentials in its headers are hidden in any case.

        Raises:
            TryLater: no connection was made, so nothing was written (`unreachable`).
            OutcomeUnknown: the request may have been written, and no full answer within the bounds came (`uncertain`).
        """
        secrets = tuple(filter(None, (*hidden, _credentials(headers))))
        url = self._url(path, fill, params)
        sending = _Sending(method, url, headers, body, fresh, most or self._max_body, secrets)
        seconds = asyncio.get_running_loop().time
        began = seconds()
        told = _SENDING.set(sending)
        try:
            answer = await self._exchange(sending)
        except (aiohttp.ClientError, OSError, _Unusable) as error:
            code = ErrorCode.UNCERTAIN if sending.written else ErrorCode.UNREACHABLE
            self._watch(method, path, code.value, seconds() - began)
            if not (partly and sending.came is not None and sending.came.is_partly_good):
                _give_up(method, path, error, written=sending.written)
            answer = replace(sending.came.answer(), broken=_why_unanswered(error))
        else:
            self._watch(method, path, str(answer.status), seconds() - began)
        finally:
            _SENDING.reset(told)
        self._log.debug("provider.call", method=method, path=path, status=answer.status)
        return answer

    async def aclose(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    def _url(self, path: str, fill: Mapping[str, str] | None, params: Mapping[str, str] | None) -> URL:
        if "{" in path:
            path = path.format_map({name: quote(value, safe="") for name, value in (fill or {}).items()})
        if params:
            query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params.items())
            path = f"{path}?{query}"
        return _url(self._base_url + path)

    async def _exchange(self, sending: "_Sending") -> HttpAnswer:
        session = self._session(fresh=sending.fresh)
        async with session.request(
            sending.method,
            sending.url,
            headers=sending.headers,
            data=sending.body,
            allow_redirects=False,
            # aiohttp itself repeats no POST.
            middlewares=() if sending.method == "POST" else None,
        ) as response:
            sending.came = came = _Coming(response, sending.hidden)
            while not response.content.at_eof():
                came.content += (await response.content.read(_CHUNK))[: sending.most - len(came.content) + 1]
                if len(came.content) > sending.most:
                    response.close()
                    raise _Unusable(f"the answer is larger than {sending.most} bytes")
            return came.answer()

    def _session(self, *, fresh: bool) -> aiohttp.ClientSession:
        # Made on first use: a session belongs to the loop that runs when it is made.
        if fresh not in self._sessions:
            connector = _Connector(force_close=fresh, keepalive_timeout=None if fresh else _KEEP_ALIVE_SECONDS, limit=0)
            self._sessions[fresh] = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(_once,),
            )
        return self._sessions[fresh]


def checked_base_url(url: str) -> str:
    """The base URL without a trailing slash.

    Raises:
        ValueError: it is not an absolute http(s) URL, carries a user, query or fragment, or is plain http to a host
            other than loopback.
    """
    parsed = URL(url)
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("must be an absolute URL that starts with https://")
    if parsed.user or parsed.password or parsed.query_string or parsed.fragment:
        raise ValueError("must have no user, password, query or fragment")
    if parsed.scheme == "http" and not _is_loopback(parsed.host):
        raise ValueError("must be https: plain http is for loopback only")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(slots=True)
class _Coming:
    """What has come of an answer."""

    response: aiohttp.ClientResponse
    hidden: tuple[str, ...]
    content: bytearray = field(default_factory=bytearray)

    @property
    def is_partly_good(self) -> bool:
        """Whether it is a success of which something has come."""
        return bool(self.content) and 200 <= self.response.status < 300  # noqa: PLR2004 - HTTP's own numbers

    def answer(self) -> HttpAnswer:
        response = self.response
        return HttpAnswer(response.status, response.headers, bytes(self.content), _media_type(response), self.hidden)


@dataclass(slots=True)
class _Sending:
    """A request, whether a connection for it was made, and what has come of its answer.

    `written`: it may have been; so it is believed where nobody knows better.
    """

    method: str
    url: URL
    headers: Mapping[str, str] | None
    body: bytes | None
    fresh: bool
    most: int
    hidden: tuple[str, ...] = field(repr=False)
    written: bool = True
    came: _Coming | None = None


class _Unusable(Exception):  # noqa: N818 - it never leaves this module
    """An answer that came and cannot be used; its text is fit for users."""


class _NoAnswer(aiohttp.ClientError):
    """A written request's connection broke before the answer's head."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    # aiohttp repeats a GET, PUT or DELETE once when its connection breaks, new connections included, and nothing
    # public turns that off. It does so for two classes of error only, so those two do not get past here.
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _NoAnswer(type(error).__name__) from None


_SENDING: ContextVar[_Sending] = ContextVar("sending")


class _Connector(aiohttp.TCPConnector):
    """Notes of the request that is being made whether there is a connection for it: before that, nothing is written."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's
    ) -> aiohttp.connector.Connection:
        """A connection, made or used again."""
        sending = _SENDING.get()
        sending.written = False
        connection = await super().connect(req, traces, timeout)
        sending.written = True
        return connection


@lru_cache(maxsize=256)
def _url(url: str) -> URL:
    return URL(url, encoded=True)


def _give_up(method: str, path: str, error: Exception, *, written: bool) -> NoReturn:
    log.debug("provider.call.failed", method=method, path=path, written=written, error=type(error).__name__)
    # `from None`: aiohttp's errors carry the URL, and with it ids and secrets.
    if written:
        raise OutcomeUnknown(Problem(ErrorCode.UNCERTAIN, _why_unanswered(error))) from None
    raise TryLater(Problem(ErrorCode.UNREACHABLE, _why_unconnected(error))) from None


def _why_unanswered(error: Exception) -> str:
    if isinstance(error, _Unusable):
        return str(error)
    if isinstance(error, asyncio.TimeoutError):
        return "the request was written and no full answer came in time"
    return "the request was written and the connection broke before a full answer came"


def _why_unconnected(error: Exception) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "no connection to the provider could be made in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the provider's host name could not be resolved"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the provider's TLS certificate was not accepted"
    if isinstance(error, aiohttp.ClientSSLError):
        return "the TLS handshake with the provider failed"
    return "no connection to the provider could be made"


def _credentials(headers: Mapping[str, str] | None) -> str:
    return (headers or {}).get("Authorization", "").partition(" ")[2]


def _media_type(response: aiohttp.ClientResponse) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
