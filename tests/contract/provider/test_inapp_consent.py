"""A subscriber's consent, from AT&T's page to its end: what is kept, what is asked, and what is not asked any more."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.domain.errors import ConsentRequired, NotAuthorized, NotReady, Refused, TryLater
from tests.contract.provider.inapp import FRIEND, NUMBER, SERVICE, Desk, a_call, a_desk
from tests.memory import Memory

OTHER = "+12065550151"


def asked(desk: Desk) -> int:
    """How many requests AT&T has had."""
    return next(desk.simulator.world.requests)


async def test_before_consent_nothing_is_asked() -> None:
    """Whatever the line is told to do."""
    async with a_desk() as desk:
        line = desk.line
        before = asked(desk)
        for ask in (
            line.send(a_call(FRIEND)),
            line.list_mail(0, 1),
            line.fetch_changes("s"),
            line.fetch_mail("m"),
            line.prepare_mailbox(),
            line.update_mail("m", is_unread=False),
            line.delete_mail("m"),
            line.verify(),
        ):
            with pytest.raises(ConsentRequired):
                await ask
        assert asked(desk) == before + 1
        assert (await line.consent()).reason == "never_given"


@pytest.mark.parametrize("shape", ["documented", "served"])
@pytest.mark.parametrize("direction", ["in", "out"])
async def test_a_store_that_shows_the_line_s_number_is_the_line_s(shape: str, direction: str) -> None:
    """By a text that came in, or one that went out."""
    async with a_desk(shape=shape) as desk:
        await desk.ready()
        if direction == "in":
            desk.act("receive", **{"from": FRIEND, "text": "hello"})
        else:
            desk.act("text-from-phone", to=[FRIEND, "+12065550002"], text="hi")
        await desk.clock.advance(10)
        line = desk.connect(Memory())
        assert await desk.agree(line) == "the subscriber agrees, and the message store is that of the line's number"
        assert (await line.consent()).given


@pytest.mark.parametrize("shape", ["documented", "served"])
async def test_another_subscriber_s_tokens_are_given_back(shape: str) -> None:
    """The line's number is not theirs, and nothing is kept."""
    async with a_desk(shape=shape) as desk:
        await desk.ready()
        desk.act("receive", **{"from": FRIEND, "text": "hello"})
        memory = Memory()
        line = desk.connect(memory, number=OTHER)
        with pytest.raises(Refused, match="another number") as caught:
            await desk.agree(line)
        assert NUMBER not in repr(caught.value)
        assert len(desk.said("token-revoked")) == 1
        assert memory.kept == {}
        with pytest.raises(ConsentRequired):
            await line.send(a_call(FRIEND))


async def test_a_store_that_shows_nothing_yet_is_believed_and_said_to_be() -> None:
    """Without an index, without messages, or without the right to look."""
    async with a_desk() as desk:
        assert "shows nothing yet" in await desk.agree()
        await desk.prepared()
        assert "shows nothing yet" in await desk.agree(desk.connect(Memory()))
        sends = desk.connect(Memory(), scope="IMMN", sync=False)
        assert "cannot be seen without MIM" in await desk.agree(sends)
        await sends.send(a_call(FRIEND))
        assert await sends.verify() == "the subscriber agrees to the scope IMMN"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"do": "html", "status": 503}, TryLater),
        ({"do": "cut-before"}, TryLater),
        ({"do": "garbage", "status": 200}, TryLater),
        (
            {"do": "status", "status": 403, "json": {"RequestError": {"PolicyException": {"MessageId": "POL0002"}}}},
            Refused,
        ),
        (
            {"do": "status", "status": 403, "json": {"RequestError": {"PolicyException": {"MessageId": "POL0001"}}}},
            NotAuthorized,
        ),
    ],
)
async def test_where_the_number_cannot_be_looked_at_nothing_is_kept(
    fault: dict[str, Any], error: type[Exception]
) -> None:
    """The tokens go back, and the subscriber begins again."""
    async with a_desk() as desk:
        desk.simulator.world.faults.add({"match": {"service": SERVICE, "operation": "list"}, **fault})
        with pytest.raises(error):
            await desk.agree()
        assert len(desk.said("token-revoked")) == 1
        assert desk.memory.kept == {}
        assert "shows nothing yet" in await desk.agree()


async def test_a_code_is_good_once() -> None:
    """The consent that stands is not touched by a second try."""
    async with a_desk() as desk:
        back = await desk.browse()
        await desk.line.take_consent(back.query["code"], str(back))
        with pytest.raises(Refused, match="code from the browser"):
            await desk.line.take_consent(back.query["code"], str(back))
        desk.forbidden = ["a code was exchanged again; right is once"]
        assert (await desk.line.consent()).given


async def test_a_refusal_comes_back_without_a_code() -> None:
    """With OAuth's words."""
    async with a_desk(consent="refuse") as desk:
        back = await desk.browse()
        assert "code" not in back.query
        assert back.query["error"] == "access_denied"


async def test_wrong_credentials_are_the_operator_s_and_not_the_subscriber_s() -> None:
    """The line is unauthorized; a consent that stands is kept."""
    async with a_desk() as desk:
        await desk.ready()
        await desk.clock.advance(3 * 86_400)
        wrong = desk.connect(app_secret="wrong")
        with pytest.raises(NotAuthorized) as caught:
            await wrong.list_mail(0, 1)
        assert not isinstance(caught.value, ConsentRequired)
        assert (await wrong.consent()).given
        await desk.line.list_mail(0, 1)


@pytest.mark.parametrize("withdrawn_as", ["403", "401"])
@pytest.mark.parametrize("oauth_errors", ["rfc", "envelope"])
@pytest.mark.parametrize("errors", ["upper", "lower"])
async def test_a_withdrawn_consent_ends_all_calls_until_there_is_a_new_one(
    withdrawn_as: str, oauth_errors: str, errors: str
) -> None:
    """AT&T says so at once, or at the next refresh; after a restart it is still known."""
    async with a_desk(withdrawn_as=withdrawn_as, oauth_errors=oauth_errors, errors=errors) as desk:
        line = await desk.ready()
        desk.act("withdraw-consent")
        with pytest.raises(ConsentRequired):
            await line.list_mail(0, 1)
        before = asked(desk)
        await desk.clock.advance(3600)
        for source in (line, desk.connect()):
            with pytest.raises(ConsentRequired):
                await source.send(a_call(FRIEND))
            with pytest.raises(ConsentRequired):
                await source.prepare_mailbox()
            assert not (await source.consent()).given
        assert asked(desk) == before + 1
        await desk.agree()
        await desk.prepared()
        assert len((await line.send(a_call(FRIEND))).handovers) == 1


async def test_three_days_of_calls_need_a_token_every_day_and_a_half() -> None:
    """And none besides."""
    async with a_desk() as desk:
        line = await desk.ready()
        for _ in range(72):
            await desk.clock.advance(3600)
            await line.list_mail(0, 1)
        assert len(desk.said("token")) == 2
        assert desk.said("refused") == [one for one in desk.said("refused") if one["operation"] == "list"][:1]


async def test_tokens_that_expire_early_are_replaced_and_nobody_notices() -> None:
    """One new token, whoever finds out."""
    async with a_desk() as desk:
        line = await desk.ready()
        for _ in range(3):
            desk.act("expire-tokens")
            await line.list_mail(0, 1)
        assert len(desk.said("token")) == 4


async def test_a_refresh_whose_answer_is_lost_does_not_lose_the_consent() -> None:
    """Where AT&T had not replaced the refresh token; where it had, the subscriber is asked."""
    for rotate in (False, True):
        async with a_desk(rotate=rotate) as desk:
            line = await desk.ready()
            await desk.clock.advance(2 * 86_400)
            rule = {"match": {"service": SERVICE, "operation": "token"}, "do": "cut-after"}
            desk.simulator.world.faults.add(rule)
            with pytest.raises(TryLater):
                await line.list_mail(0, 1)
            assert (await line.consent()).given
            if rotate:
                with pytest.raises(ConsentRequired):
                    await line.list_mail(0, 1)
                assert (await line.consent()).reason == "refused"
            else:
                await line.list_mail(0, 1)


async def test_without_refresh_tokens_consent_ends_with_the_access_token() -> None:
    """And is asked for again."""
    async with a_desk(refresh_tokens=False) as desk:
        line = await desk.ready()
        await desk.clock.advance(1.9 * 86_400)
        await line.list_mail(0, 1)
        await desk.clock.advance(0.2 * 86_400)
        with pytest.raises(ConsentRequired):
            await line.list_mail(0, 1)
        assert (await line.consent()).reason == "expired"


async def test_a_consent_that_was_given_back_is_not_there_for_at_t_either() -> None:
    """Twice is once."""
    async with a_desk() as desk:
        line = await desk.ready()
        await line.revoke_consent()
        await line.revoke_consent()
        assert len(desk.said("token-revoked")) == 1
        with pytest.raises(ConsentRequired):
            await line.list_mail(0, 1)


async def test_neither_token_nor_code_nor_number_nor_text_is_logged() -> None:
    """In the whole life of a line."""
    with capture_logs() as logs:
        async with a_desk(errors="lower") as desk:
            line = await desk.ready()
            desk.act("receive", **{"from": FRIEND, "text": "s3cret text"})
            await line.send(a_call(FRIEND, text="s3cret text"))
            for entry in (await line.list_mail(0, 10)).entries:
                await line.get_mail(entry.ref)
            desk.act("withdraw-consent")
            with pytest.raises(ConsentRequired) as caught:
                await line.list_mail(0, 1)
            kept = repr(desk.memory.kept)
            with pytest.raises(ConsentRequired):
                await line.prepare_mailbox()
    shown = repr((logs, caught.value, caught.value.problem))
    assert all(secret not in shown for secret in ("SIM-", "s3cret", "5550150", "5550001", "demo-inapp-secret"))
    assert "SIM-" not in kept
    assert issubclass(ConsentRequired, NotAuthorized)
    assert not issubclass(ConsentRequired, NotReady)
