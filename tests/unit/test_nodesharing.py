"""Two nodes over one PostgreSQL that share a line's token, its consent and its secrets."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from relay.domain.errors import ConsentRequired, TryLater
from relay.domain.messages import Part
from relay.hookaddresses import hook_secrets
from relay.ids import Ids
from relay.journal import Journal
from relay.mediastore import MediaStore
from relay.nodesharing import NodeSharing, sharing_of
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.oauth import TokenSource
from relay.providerkit.oauthconsent import ConsentedTokens
from relay.providerkit.oauthendpoint import OAuthApp
from relay.providerkit.spec import ConsentStanding
from relay.simulator.virtual import ManualClock
from relay.wiring.core import peer_key
from tests.databases import borrowed
from tests.unit.providerkit.oauthendpoint import Endpoint, running

DESK = "desk"
APP = OAuthApp("app-key", SecretStr("app-s3cret"), "IMMN,MIM")
DAY = 86_400.0
PATIENCE = 20.0
INVALID_GRANT = (400, {"error": "invalid_grant"})


class Lapsed(NodeSharing):
    """A node that stands still beyond its turn, and does not know it."""

    @asynccontextmanager
    async def turn(self, name: str, seconds: float, *, patient: bool = True) -> AsyncIterator[bool]:
        """It has it no more."""
        del name, seconds, patient
        yield True


@dataclass
class Nodes:
    """Two nodes, one endpoint, one clock."""

    a: Journal
    b: Journal
    endpoint: Endpoint
    http: Http
    clock: ManualClock
    made: list[TokenSource] = field(default_factory=list)

    def consented(self, journal: Journal, kind: type[NodeSharing] = NodeSharing) -> ConsentedTokens:
        """The tokens of a subscriber's line on a node; 403 stands for a withdrawal."""
        tokens = ConsentedTokens(
            self.http,
            APP,
            alias=DESK,
            subscriber="+12065550150",
            withdrawn=lambda answer: answer.status == 403,
            state=journal.memory(DESK),
            clock=self.clock,
            ids=_ids(self.clock),
            sharing=kind(DESK, journal, journal.owner),
        )
        self.made.append(tokens)
        return tokens

    def plain(self, journal: Journal) -> TokenSource:
        """The tokens of an app on a node."""
        tokens = TokenSource(
            self.http,
            APP,
            state=journal.memory("alerts"),
            clock=self.clock,
            ids=_ids(self.clock),
            anew={"grant_type": "client_credentials"},
            sharing=sharing_of(journal, "alerts"),
        )
        self.made.append(tokens)
        return tokens

    async def agreed(self, first: type[NodeSharing] = NodeSharing) -> tuple[ConsentedTokens, ConsentedTokens]:
        """Both nodes' tokens of a subscriber who has just agreed, in use on both."""
        one, other = self.consented(self.a, first), self.consented(self.b)
        await one.adopt(await one.granted("c0de"))
        assert await one.token() == await other.token() == "access~1"
        return one, other

    @property
    def shown(self) -> list[str]:
        """The refresh tokens that the endpoint was shown, in order."""
        return [form["refresh_token"] for form in self.endpoint.forms if form.get("grant_type") == "refresh_token"]

    async def held_up(self, tokens: TokenSource) -> tuple["asyncio.Task[str]", asyncio.Event]:
        """A refresh that waits for its answer until the event is set; others are answered at once."""
        go_on = self.endpoint.hold = asyncio.Event()
        self.endpoint.asked.clear()
        waiting = asyncio.create_task(tokens.token())
        async with asyncio.timeout(PATIENCE):
            await self.endpoint.asked.wait()
        self.endpoint.hold = None
        return waiting, go_on


def _ids(clock: ManualClock) -> Ids:
    return Ids(clock, random.Random(7))  # noqa: S311 - a seed repeats the run


@pytest.fixture
def url() -> Iterator[str]:
    """Of an empty database."""
    with borrowed() as database:
        yield database.url


@pytest.fixture
async def nodes(url: str) -> AsyncIterator[Nodes]:
    """Two nodes that have joined."""
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        stack.enter_context(capture_logs())
        opened = [await Journal.open(url, clock=clock, ids=_ids(clock), node=name) for name in ("a", "b")]
        a, b = [await stack.enter_async_context(journal) for journal in opened]
        endpoint = await stack.enter_async_context(running())
        http = Http(endpoint.url, timeout_seconds=15.0, user_agent="relay/test")
        stack.push_async_callback(http.aclose)
        found = Nodes(a, b, endpoint, http, clock)
        yield found
        for tokens in found.made:
            await tokens.aclose()


async def test_two_nodes_that_want_a_token_at_once_ask_for_one(nodes: Nodes) -> None:
    """The provider limits how many it gives."""
    one, other = nodes.plain(nodes.a), nodes.plain(nodes.b)
    assert list(await asyncio.gather(one.token(), other.token())) == ["access~1", "access~1"]
    assert nodes.endpoint.grants == ["client_credentials"]


async def test_of_two_nodes_whose_token_is_spent_one_refreshes(nodes: Nodes) -> None:
    """Each refresh token is shown once: whoever shows one twice loses the consent."""
    one, other = await nodes.agreed()
    for turn in range(2, 6):
        await nodes.clock.advance(2.1 * DAY)
        assert set(await asyncio.gather(one.token(), other.token())) == {f"access~{turn}"}
    assert nodes.shown == [f"refresh~{turn}" for turn in range(1, 5)]


async def test_a_node_waits_for_no_renewal_while_its_token_is_good(nodes: Nodes) -> None:
    """Another node is at it; what it gets is used as soon as it is there."""
    one, other = await nodes.agreed()
    await nodes.clock.advance(1.9 * DAY)
    waiting, go_on = await nodes.held_up(one)
    assert await other.token() == "access~1"
    rung = nodes.b.listen(f"tokens:{DESK}")
    go_on.set()
    assert await waiting == "access~2"
    async with asyncio.timeout(PATIENCE):
        while await other.token() != "access~2":
            await rung.wait()
    assert nodes.shown == ["refresh~1"]


async def test_a_refused_token_that_another_node_has_replaced_is_not_refreshed_again(nodes: Nodes) -> None:
    """The journal is read again before anybody is asked."""
    one, other = await nodes.agreed()
    seen: list[str] = []

    async def call(headers: Mapping[str, str]) -> HttpAnswer:
        seen.append(headers["Authorization"])
        if len(seen) > 1:
            return HttpAnswer(200, {}, b"")
        one.invalidate("access~1")
        await one.token()
        return HttpAnswer(401, {}, b"")

    assert (await other.authorized(call)).status == 200
    assert seen == ["Bearer access~1", "Bearer access~2"]
    assert nodes.shown == ["refresh~1"]


async def test_a_node_that_died_in_its_turn_holds_the_others_up_for_a_while_only(nodes: Nodes) -> None:
    """Its lease ends by itself."""
    _, other = await nodes.agreed()
    assert await nodes.a.leases.acquire(f"token:{DESK}", "a/9:desk", 1.5)
    await nodes.clock.advance(2.1 * DAY)
    async with asyncio.timeout(PATIENCE):
        assert await other.token() == "access~2"


async def test_what_a_paused_node_may_have_spent_is_left_alone_while_the_token_is_good(nodes: Nodes) -> None:
    """It has shown the refresh token, and its successor may be in that node's hands alone."""
    one, other = await nodes.agreed(Lapsed)
    await nodes.clock.advance(1.9 * DAY)
    waiting, go_on = await nodes.held_up(one)
    assert await other.token() == "access~1"
    assert nodes.shown == ["refresh~1"]
    go_on.set()
    assert await waiting == "access~2"


async def test_what_a_paused_node_brings_back_stands_over_the_finding_of_others(nodes: Nodes) -> None:
    """They found the refresh token void: it was, for the paused node had it replaced."""
    one, other = await nodes.agreed(Lapsed)
    await nodes.clock.advance(2.1 * DAY)
    waiting, go_on = await nodes.held_up(one)
    nodes.endpoint.answers["refresh_token"] = INVALID_GRANT
    with pytest.raises(ConsentRequired):
        await other.token()
    assert (await other.standing()).reason == "refused"
    nodes.endpoint.answers.clear()
    go_on.set()
    fresh = await waiting
    assert (await other.standing()).given
    assert await other.token() == fresh


async def test_a_consent_that_was_given_back_meanwhile_stays_given_back(nodes: Nodes) -> None:
    """The pair that a paused node gets afterwards is given back as well."""
    one, other = await nodes.agreed(Lapsed)
    await nodes.clock.advance(2.1 * DAY)
    waiting, go_on = await nodes.held_up(one)
    await other.revoke()
    go_on.set()
    with pytest.raises(ConsentRequired):
        await waiting
    assert nodes.endpoint.grants[-1] == "revoke"
    assert nodes.endpoint.forms[-1]["token"] != "refresh~1"
    assert await one.standing() == await other.standing()
    assert (await one.standing()).reason == "revoked"


async def test_a_new_consent_stands_over_a_refresh_of_the_former_one(nodes: Nodes) -> None:
    """Which was under way on another node."""
    one, other = await nodes.agreed(Lapsed)
    await nodes.clock.advance(2.1 * DAY)
    waiting, go_on = await nodes.held_up(one)
    token = await other.granted("n3w")
    await other.adopt(token)
    go_on.set()
    assert await waiting == token.access == await other.token()


async def test_a_refresh_that_failed_may_be_tried_by_any_node(nodes: Nodes) -> None:
    """Whoever tried it has said that it is over."""
    one, other = await nodes.agreed()
    await nodes.clock.advance(1.9 * DAY)
    nodes.endpoint.answers["refresh_token"] = (503, "<html>down</html>")
    assert await one.token() == "access~1"
    nodes.endpoint.answers.clear()
    assert await other.token() == "access~3"


async def test_a_consent_is_known_to_all_nodes(nodes: Nodes) -> None:
    """Given on one, used on another, revoked on a third: nobody is asked after that."""
    one, other = nodes.consented(nodes.a), nodes.consented(nodes.b)
    with pytest.raises(ConsentRequired):
        await other.token()
    assert await other.standing() == ConsentStanding(given=False, reason="never_given")
    await one.adopt(await one.granted("c0de"))
    assert (await other.standing()).given
    assert await other.token() == "access~1"
    rung = nodes.a.listen(f"tokens:{DESK}")
    await other.revoke()
    asked = len(nodes.endpoint.forms)
    async with asyncio.timeout(PATIENCE):
        await rung.wait()
    with pytest.raises(ConsentRequired):
        await one.token()
    assert (await one.standing()).reason == "revoked"
    assert len(nodes.endpoint.forms) == asked


async def test_a_withdrawal_that_one_node_is_told_of_ends_no_newer_pair(nodes: Nodes) -> None:
    """It was said of a token that another node has replaced."""
    one, other = await nodes.agreed()

    async def refused(_: Mapping[str, str]) -> HttpAnswer:
        one.invalidate("access~1")
        await one.token()
        return HttpAnswer(403, {}, b"")

    with pytest.raises(ConsentRequired):
        await other.authorized(refused)
    assert (await one.standing()).given
    assert await one.token() == await other.token() == "access~2"


async def test_a_turn_that_does_not_come_is_something_for_later(nodes: Nodes) -> None:
    """Nobody waits for ever."""
    sharing = NodeSharing(DESK, nodes.b, "b/1")
    assert await nodes.a.leases.acquire(f"token:{DESK}", "a/1", 60)
    with pytest.raises(TryLater):
        async with sharing.turn("token", 0.1):
            pass
    async with sharing.turn("token", 60, patient=False) as is_mine:
        assert not is_mine


async def test_nodes_that_start_at_the_same_moment_have_the_same_secrets(nodes: Nodes) -> None:
    """Whichever of them was first."""
    secrets = partial(hook_secrets, configured=None, now=nodes.clock.now())
    one, other = await asyncio.gather(secrets(nodes.a.memory(DESK)), secrets(nodes.b.memory(DESK)))
    assert one == other
    assert len(set(await asyncio.gather(peer_key(nodes.a), peer_key(nodes.b)))) == 1


async def test_what_is_swapped_is_what_was_seen(nodes: Nodes) -> None:
    """Whoever saw something older is given what is there."""
    one, other = nodes.a.memory(DESK), nodes.b.memory(DESK)
    assert sorted(await asyncio.gather(one.put_first("k", b"1"), other.put_first("k", b"1"))) == [b"1", b"1"]
    assert await other.put_first("k", b"2") == b"1"
    assert await other.swap("k", b"1", b"2") == b"2"
    assert await one.swap("k", b"1", b"3") == b"2"
    assert await one.get("k") == b"2"


async def test_while_the_journal_is_away_a_good_token_is_used_and_none_is_asked_for(nodes: Nodes) -> None:
    """A refresh token must not be shown where its successor cannot be kept."""
    _, other = await nodes.agreed()
    await nodes.b.aclose()
    await nodes.clock.advance(1.9 * DAY)
    assert await other.token() == "access~1"
    await nodes.clock.advance(0.2 * DAY)
    with pytest.raises(TryLater):
        await other.token()
    assert nodes.shown == []


async def test_a_file_in_a_shared_folder_is_no_stranger_at_the_first_look(nodes: Nodes, tmp_path: Path) -> None:
    """Another node may be about to write it down; what nobody knows an hour later is deleted."""
    media = MediaStore(tmp_path, nodes.b, nodes.clock, inline_max=1, max_part=9, lifetime=DAY, address="https://r")
    await media.keep(DESK, Part("image/png"), b"known")
    stranger = tmp_path / ("x" * 32)
    await asyncio.to_thread(stranger.write_bytes, b"unknown")
    assert await media.purge() == 0
    await nodes.clock.advance(3_700)
    assert await media.purge() == 1
    assert len(await asyncio.to_thread(os.listdir, tmp_path)) == 1
