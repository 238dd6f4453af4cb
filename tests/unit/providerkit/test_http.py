"""One request, one answer, and the knowledge of whether the request was written."""

import asyncio
import gzip
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.domain.errors import ErrorCode, OutcomeUnknown, TryLater
from relay.providerkit.http import Http, checked_base_url

OK = b"HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_an_answer_comes_back_whole(server: Any, http: Http, answering: Any) -> None:
    """Status, headers in any case, body, and the media type in lower case without parameters."""
    server.behave = answering(OK)
    answer = await http.call("POST", "/outbox", headers={"X-One": "1"}, body=b"text")
    assert (answer.status, answer.body, answer.content_type) == (200, b"{}", "application/json")
    assert answer.headers["content-length"] == "2"
    assert server.requests[0].startswith(b"POST /outbox HTTP/1.1\r\n")
    assert server.requests[0].endswith(b"\r\n\r\ntext")


async def test_relay_names_itself_and_takes_no_compressed_answer(server: Any, http: Http) -> None:
    """The request's own headers are there, and no cookie or Accept-Encoding invites trouble."""
    await http.call("GET", "/", headers={"Accept": "application/json"})
    assert b"User-Agent: relay/test\r\n" in server.requests[0]
    assert b"Accept-Encoding: identity\r\n" in server.requests[0]


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 401, 404, 429, 500, 503])
async def test_every_status_is_an_answer(server: Any, http: Http, answering: Any, status: int) -> None:
    """A redirect is not followed and a failure is not raised: judging is another's work."""
    server.behave = answering(
        b"HTTP/1.1 %d X\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n" % status
    )
    assert (await http.call("POST", "/", body=b"x")).status == status
    assert len(server.requests) == 1


async def test_ids_in_a_path_are_percent_encoded(server: Any, http: Http) -> None:
    """An id cannot break out of its segment, and a plus in a query is %2B."""
    await http.call("GET", "/outbox/{ref}/x", fill={"ref": "a/b?c=é%2F"}, params={"to": "+1 2&3"})
    assert server.requests[0].split(b" ")[1] == b"/outbox/a%2Fb%3Fc%3D%C3%A9%252F/x?to=%2B1%202%263"


async def test_a_base_url_may_have_a_path(server: Any) -> None:
    """Paths are appended to it."""
    client = Http(server.url + "/gateway/", user_agent="relay/test")
    await client.call("GET", "/outbox")
    await client.aclose()
    assert server.requests[0].startswith(b"GET /gateway/outbox ")


async def test_a_refused_connection_is_try_later(free_port: int) -> None:
    """Nothing was written."""
    client = Http(f"http://127.0.0.1:{free_port}", timeout_seconds=1.0, user_agent="relay/test")
    with pytest.raises(TryLater) as caught:
        await client.call("POST", "/outbox", body=b"x")
    await client.aclose()
    assert caught.value.problem.code is ErrorCode.UNREACHABLE


async def test_a_name_that_does_not_resolve_is_try_later() -> None:
    """The reserved name .invalid never resolves."""
    client = Http("https://relay.invalid", timeout_seconds=5.0, user_agent="relay/test")
    with pytest.raises(TryLater, match="host name"):
        await client.call("POST", "/outbox", body=b"x")
    await client.aclose()


async def test_a_handshake_that_fails_is_try_later(server: Any, breaking_off: Any) -> None:
    """TLS to a server that speaks none: no request was written."""
    server.behave = breaking_off()
    client = Http(f"https://127.0.0.1:{server.port}", timeout_seconds=1.0, user_agent="relay/test")
    with pytest.raises(TryLater) as caught:
        await client.call("POST", "/outbox", body=b"x")
    await client.aclose()
    assert caught.value.problem.code is ErrorCode.UNREACHABLE


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that nobody vouches for."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    named = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = ["openssl", "req", "-x509", *made, *named, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_certificate_that_nobody_vouches_for_is_try_later(self_signed: ssl.SSLContext) -> None:
    """There is no way around it: nothing is written to a host that may be anybody."""
    received: list[bytes] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            received.append(await reader.read(1))
        writer.close()

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=self_signed)
    client = Http(f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}", user_agent="relay/test")
    with pytest.raises(TryLater, match="TLS certificate was not accepted"):
        await client.call("POST", "/outbox", body=b"x")
    await client.aclose()
    listening.close()
    assert b"P" not in received


async def test_a_handshake_that_stalls_is_try_later(server: Any) -> None:
    """The server accepts and says nothing: the connection was never made."""
    client = Http(f"https://127.0.0.1:{server.port}", timeout_seconds=0.3, user_agent="relay/test")
    with pytest.raises(TryLater, match="in time"):
        await client.call("POST", "/outbox", body=b"x")
    await client.aclose()


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
async def test_a_connection_cut_before_the_answer_is_unknown_after_one_request(
    server: Any, http: Http, breaking_off: Any, method: str, fresh: bool
) -> None:
    """The request was written once, and is not silently repeated, whatever the method."""
    server.behave = breaking_off()
    with pytest.raises(OutcomeUnknown) as caught:
        await http.call(method, "/inbox", fresh=fresh)
    assert caught.value.problem.code is ErrorCode.UNCERTAIN
    assert len(server.requests) == 1


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_used_connection_that_is_cut_makes_no_second_request(
    server: Any, http: Http, answering: Any, breaking_off: Any, method: str, fresh: bool
) -> None:
    """Left to itself, aiohttp repeats a GET whose kept connection broke: for the inbox that loses a page unseen."""
    server.behave = answering(OK)
    await http.call("GET", "/first")
    server.behave = breaking_off()
    with pytest.raises(OutcomeUnknown):
        await http.call(method, "/inbox", fresh=fresh)
    assert [request.split(b" ")[1] for request in server.requests] == [b"/first", b"/inbox"]


async def test_a_fresh_call_has_a_connection_of_its_own(server: Any, http: Http) -> None:
    """Neither an earlier connection is used nor is its own kept."""
    await http.call("GET", "/a")
    await http.call("GET", "/b")
    assert server.connections == 1
    await http.call("GET", "/c", fresh=True)
    await http.call("GET", "/d", fresh=True)
    assert server.connections == 3
    assert b"Connection: close\r\n" in server.requests[-1]


async def test_no_answer_in_time_is_unknown(server: Any, silence: Any) -> None:
    """The request was written and nothing came."""
    server.behave = silence
    client = Http(server.url, timeout_seconds=0.2, user_agent="relay/test")
    with pytest.raises(OutcomeUnknown, match="in time"):
        await client.call("POST", "/outbox", body=b"x")
    await client.aclose()


async def test_an_answer_that_dribbles_is_cut_off_by_the_total_time(server: Any) -> None:
    """Bytes that keep coming do not keep the call alive."""

    async def dribble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await asyncio.Event().wait()

    server.behave = dribble
    client = Http(server.url, timeout_seconds=0.3, user_agent="relay/test")
    with pytest.raises(OutcomeUnknown, match="in time"):
        await client.call("POST", "/outbox", body=b"x")
    await client.aclose()


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 201 Cre",
        b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"SMTP service ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_half_an_answer_or_none_in_http_is_unknown(
    server: Any, http: Http, breaking_off: Any, half: bytes
) -> None:
    """A status line alone proves nothing that can be relied on."""
    server.behave = breaking_off(after=half)
    with pytest.raises(OutcomeUnknown) as caught:
        await http.call("POST", "/outbox", body=b"x")
    assert caught.value.problem.code is ErrorCode.UNCERTAIN
    assert len(server.requests) == 1


async def test_an_answer_at_the_bound_is_taken(server: Any, http: Http, answering: Any) -> None:
    """64 KiB are the bound here, and 64 KiB pass."""
    server.behave = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65536)
    assert len((await http.call("GET", "/")).body) == 65536


async def test_an_answer_over_the_bound_is_unknown(server: Any, http: Http, answering: Any) -> None:
    """It is not read to its end."""
    server.behave = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n" + b"x" * 65537)
    with pytest.raises(OutcomeUnknown, match="larger than 65536 bytes"):
        await http.call("POST", "/outbox", body=b"x")


async def test_a_packed_answer_is_bounded_by_what_it_unpacks_to(server: Any, http: Http, answering: Any) -> None:
    """40 MB that travel as 40 kB: what was not asked for is unpacked no further than the bound."""
    bomb = gzip.compress(bytes(40_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    server.behave = answering(head + bomb)
    with pytest.raises(OutcomeUnknown, match="larger than 65536 bytes"):
        await http.call("GET", "/inbox", fresh=True)


async def test_calls_go_out_side_by_side(server: Any) -> None:
    """The client has no limit of its own: the line's window is the limit."""
    everybody = asyncio.Event()

    async def wait_for_all(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 150:
            everybody.set()
        await everybody.wait()
        writer.write(OK)

    server.behave = wait_for_all
    client = Http(server.url, timeout_seconds=10.0, user_agent="relay/test")
    answers = await asyncio.gather(*(client.call("GET", "/") for _ in range(150)))
    await client.aclose()
    assert {answer.status for answer in answers} == {200}


async def test_what_is_logged_and_raised_shows_no_id_query_header_or_body(
    server: Any, http: Http, breaking_off: Any
) -> None:
    """Landline's session travels in the URL, and a text in the body."""
    with capture_logs() as logs:
        await http.call("GET", "/{id}", fill={"id": "s3cret"}, params={"session": "s3cret"}, headers={"X": "s3cret"})
        server.behave = breaking_off()
        with pytest.raises(OutcomeUnknown) as caught:
            await http.call("POST", "/{id}", fill={"id": "s3cret"}, params={"session": "s3cret"}, body=b"s3cret")
    assert [log["event"] for log in logs] == ["provider.call", "provider.call.failed"]
    assert logs[0] == {"event": "provider.call", "log_level": "debug", "method": "GET", "path": "/{id}", "status": 200}
    assert "s3cret" not in repr((logs, caught.value, caught.value.problem))
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


@pytest.mark.parametrize(
    "url",
    ["https://api.att.com", "https://api.att.com/", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"],
)
def test_a_base_url_is_https_or_on_loopback(url: str) -> None:
    """A trailing slash is dropped."""
    assert checked_base_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.att.com",
        "http://10.0.0.1",
        "http://localhost.example",
        "ftp://api.att.com",
        "api.att.com",
        "https://",
        "https://user:word@api.att.com",
        "https://api.att.com?session=1",
        "https://api.att.com/#x",
        "",
    ],
)
def test_any_other_base_url_is_refused_without_repeating_it(url: str) -> None:
    """Plain http leaves the machine readable for everybody, and a URL may carry secrets."""
    with pytest.raises(ValueError, match="must ") as caught:
        checked_base_url(url)
    assert not url.partition("://")[2] or url not in str(caught.value)


async def test_a_success_that_breaks_off_is_given_as_far_as_it_came_to_who_asks_for_that(
    server: Any, http: Http, answering: Any
) -> None:
    """For a read that deletes what it returns; anybody else gets nothing of it, and nobody of a failure."""
    server.behave = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
    answer = await http.call("GET", "/inbox", partly=True)
    assert answer.body == b"0123456789"
    assert answer.broken.startswith("the request was written and ")
    with pytest.raises(OutcomeUnknown):
        await http.call("GET", "/inbox")
    for nothing in (
        b"HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    ):
        server.behave = answering(nothing)
        with pytest.raises(OutcomeUnknown):
            await http.call("GET", "/inbox", partly=True)


async def test_one_call_may_have_a_bound_of_its_own(server: Any, http: Http, answering: Any) -> None:
    """An attachment is larger than any other answer."""
    server.behave = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
    assert len((await http.call("GET", "/", most=100_000)).body) == 100_000
    with pytest.raises(OutcomeUnknown, match="larger than 99999 bytes"):
        await http.call("GET", "/", most=99_999)


async def test_whoever_watches_is_told_how_each_request_went(server: Any, answering: Any, free_port: int) -> None:
    """By the path before ids are filled in; a failure by whether the request was written."""
    seen: list[tuple[str, str, str, float]] = []

    def watch(*told: Any) -> None:
        seen.append(told)

    client = Http(server.url, timeout_seconds=0.2, user_agent="relay/test", watch=watch)
    server.behave = answering(b"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n")
    await client.call("GET", "/outbox/{ref}", fill={"ref": "SMS1"})
    server.behave = answering(b"")
    with pytest.raises(OutcomeUnknown):
        await client.call("POST", "/outbox", body=b"x")
    await client.aclose()
    client = Http(f"http://127.0.0.1:{free_port}", timeout_seconds=1.0, watch=watch)
    with pytest.raises(TryLater):
        await client.call("POST", "/outbox", body=b"x")
    await client.aclose()
    assert [told[:3] for told in seen] == [
        ("GET", "/outbox/{ref}", "429"),
        ("POST", "/outbox", "uncertain"),
        ("POST", "/outbox", "unreachable"),
    ]
    assert all(0 <= told[3] < 5 for told in seen)
