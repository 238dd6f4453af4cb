"""Simulated In-App Messaging under any request: it is answered or refused, and never breaks."""

import io
import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.providerkit.simulated import ApiError, World
from relay.providers.att_inapp.simulator.asking import read_list
from relay.providers.att_inapp.simulator.modes import InAppModes
from relay.providers.att_inapp.simulator.multipart import read_multipart
from relay.providers.att_inapp.simulator.sending import Sender
from relay.simulator.app import Simulator
from tests.unit.simulator.inapp_people import NUMBER, InAppUser, texted

EVERY = [
    ("POST", "/messages"),
    ("GET", "/messages"),
    ("PUT", "/messages"),
    ("DELETE", "/messages"),
    ("POST", "/messages/index"),
    ("GET", "/messages/index/info"),
    ("GET", "/messages/{}"),
    ("PUT", "/messages/{}"),
    ("DELETE", "/messages/{}"),
    ("GET", "/messages/{}/parts/{}"),
    ("GET", "/delta"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ADDRESSES = st.lists(st.text(max_size=20) | st.just("tel:+12065550101"), max_size=12)
SENDS = st.fixed_dictionaries(
    {}, optional={"addresses": ADDRESSES | JSON, "text": JSON, "subject": JSON, "group": JSON, "isGroup": JSON}
)
UGLY = ["%00", "%ff", "%", "%2F%2e%2e", "..", "a" * 300, quote("\U0001f600"), "%F0%28", ",", "%2C"]
BODIES = [b"", b"{", b"[" * 20_000, b"\xff\xfe\x00", b"null", b'"\\ud800"', b"1" * 5000, b'{"messages": [[]]}']


def complain(what: str) -> None:
    """Take note of what the documents forbid: that it can be said."""
    assert what


@pytest.mark.parametrize("ugly", UGLY)
async def test_no_address_breaks_it(inapp: InAppUser, ugly: str) -> None:
    """Neither in its path nor in its query."""
    fields = "&".join(f"{name}={ugly}" for name in ("state", "limit", "offset", "messageIds", "keyword", "isUnread"))
    for method, path in EVERY:
        answer = await inapp.call(method, f"{path.format(ugly, ugly)}?{fields}&{ugly}")
        assert answer.status < 500, (method, path)


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/related; boundary=x", "multipart/related", "", "x/\u00e9"]
)
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_no_body_breaks_it(inapp: InAppUser, kind: str, body: bytes) -> None:
    """Whatever it says it is."""
    for method, path in EVERY:
        headers = {"Content-Type": kind}
        answer = await inapp.call(method, path.format("x", "0"), data=io.BytesIO(body), headers=headers)
        assert answer.status < 500, (method, path)


async def test_a_body_that_is_not_what_it_says_is_refused(inapp: InAppUser) -> None:
    """Compressed, it says."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await inapp.call("POST", "/messages", data=io.BytesIO(b"not gzip"), headers=headers)
    assert answer.status == 400


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SENDS | JSON)
def test_any_json_is_taken_or_refused(world: World, inner: Any) -> None:
    """By the rules for sending."""
    with suppress(ApiError):
        asked = Sender(world, NUMBER).read("application/json", json.dumps({"messageRequest": inner}).encode())
        assert 1 <= len(asked.to) <= 10
        assert asked.is_mms in (True, False)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["b", "\u00e9", ""]), st.lists(st.binary(max_size=30), max_size=4))
def test_any_bytes_are_parts_or_refused(noise: bytes, boundary: str, pieces: list[bytes]) -> None:
    """By the rules for multipart bodies."""
    between = b"--" + boundary.encode()
    for body in (noise, b"".join(between + b"\r\n" + piece + b"\r\n" for piece in pieces) + between + b"--"):
        with suppress(ApiError):
            root, files = read_multipart(f'multipart/related; boundary="{boundary}"', body, complain)
            assert root not in files


@given(st.dictionaries(st.sampled_from(["limit", "offset", "isUnread", "type", "keyword", "messageIds"]), st.text()))
def test_any_query_is_a_list_or_refused(query: dict[str, str]) -> None:
    """By the rules for lists."""
    with suppress(ApiError):
        assert 1 <= read_list(query, complain).limit <= 500


async def test_texts_of_any_characters_go_in_and_out(simulator: Simulator, inapp: InAppUser) -> None:
    """Also those that no encoding has."""
    odd = "\x00\ud800\U0001f600\u2028"
    (mail_id,) = texted(simulator, odd)
    assert (await inapp.message(mail_id))["text"] == odd
    assert (await inapp.send("tel:+12065550101", text=odd, subject=odd)).status == 201


@pytest.mark.parametrize("fault", [{"do": "status", "status": 503}, {"do": "truncate"}])
async def test_faults_are_for_an_operation_and_a_line(
    simulator: Simulator, inapp: InAppUser, fault: dict[str, Any]
) -> None:
    """The next of that kind is spoiled, and the one after it is not."""
    simulator.world.faults.add({"match": {"operation": "delta", "line": NUMBER}, **fault})
    state = await inapp.state()
    try:
        spoiled = (await inapp.delta(state)).status == 503
    except aiohttp.ClientError:
        spoiled = True
    assert spoiled
    assert (await inapp.delta(state)).status == 200
    assert not simulator.world.faults.rules


def test_a_mode_that_is_none_is_refused() -> None:
    """All or nothing."""
    modes = InAppModes()
    with pytest.raises(ValueError, match="shape"):
        modes.change({"delta_limit": 3, "shape": "round"})
    assert modes.delta_limit == 0
