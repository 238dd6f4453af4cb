"""Every capability that a provider's lines declare does what it says, against the provider's own simulator.

None of it is anything that the provider's documents forbid: the simulator's record of that stays empty.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from relay.domain.errors import Gone, OutcomeUnknown
from relay.domain.messages import Content, RawAnswer
from relay.providerkit import spec
from relay.providers import discover
from tests.contract.provider.conformance.calls import MESSAGE_ID, WORDS, a_call
from tests.contract.provider.conformance.desk import REDIRECT, Desk, a_desk
from tests.contract.provider.conformance.known import facts_of, providers
from tests.contract.provider.conformance.lines import unconnected

Exercise = Callable[[Desk], Awaitable[None]]


async def send(desk: Desk) -> None:
    """A text is planned, goes out once, and each copy has a standing."""
    plan = desk.line.plan(Content(WORDS, recipients=1))
    assert plan.segments >= 1
    assert plan.recipients_per_call >= 1
    answer = await desk.line.send(a_call(desk.facts.somebody, receipts=False))
    assert len(answer.handovers) == 1
    assert [line["text"] for line in accepted(desk)] == [WORDS]


async def empty_inbox(desk: Desk) -> None:
    """A text that came in is fetched once, and then it is gone."""
    assert 0 < desk.line.poll_interval < desk.line.loss_after
    assert desk.line.polls_inbox
    desk.simulator.world.handset.text(sender=desk.facts.somebody, to=desk.line.number, text=WORDS)
    page = desk.line.read_inbox(await desk.line.fetch_inbox())
    assert [(one.sender.value, one.text) for one in page.messages] == [(desk.facts.somebody, WORDS)]
    await desk.clock.advance(desk.line.poll_interval)
    assert desk.line.read_inbox(await desk.line.fetch_inbox()).messages == ()


async def salvage_inbox(desk: Desk) -> None:
    """Wherever a page breaks off, the messages that are whole by then are read."""
    for _ in range(2):
        desk.simulator.world.handset.text(sender=desk.facts.somebody, to=desk.line.number, text=WORDS)
    page = await desk.line.fetch_inbox()
    ends = [RawAnswer(page.body[:size], page.content_type) for size in range(len(page.body))]
    saved = [len(desk.line.salvage_inbox(one).messages) for one in ends]
    assert saved == sorted(saved)
    assert set(saved) == {0, 1, 2}


async def show_sent(desk: Desk) -> None:
    """A text that was taken and not answered is told of all the same."""
    await desk.listen()
    desk.simulator.world.faults.add({"match": {"operation": "send"}, "do": "cut-after"})
    with pytest.raises(OutcomeUnknown):
        await desk.line.send(a_call(desk.facts.somebody))
    await desk.clock.advance(60)
    reading = await desk.next("send" if "send" in desk.line.hook_events else "delivery")
    assert reading.sightings or reading.reports


async def ask_status(desk: Desk) -> None:
    """A text's end is told; what the provider does not know is gone."""
    assert desk.line.asks_status
    answer = await desk.line.send(a_call(desk.facts.somebody))
    await desk.clock.advance(60)
    (report,) = desk.line.read_status(answer.ref, await desk.line.fetch_status(answer.ref))
    assert report.ref == answer.ref
    assert report.fact is not None
    with pytest.raises(Gone):
        await desk.line.fetch_status(MESSAGE_ID)


async def take_hooks(desk: Desk) -> None:
    """Each of its events comes, and says something."""
    await desk.listen()
    answer = await desk.line.send(a_call(desk.facts.somebody))
    await desk.clock.advance(60)
    for event in desk.line.hook_events:
        desk.facts.cause[event](desk.simulator, answer.handovers[0].ref or "")
        await desk.clock.advance(60)
        reading = await desk.next(event)
        assert reading.messages or reading.reports or reading.sightings or reading.changes, event


async def install_hooks(desk: Desk) -> None:
    """A web hook is added, found, moved and removed; to remove it again is fine."""
    line, event = desk.line, desk.line.hook_events[0]
    await line.install_hook(event, desk.base + event)
    (hook,) = await line.list_hooks()
    assert (hook.event, hook.url, hook.method) == (event, desk.base + event, "POST")
    await line.update_hook(hook.provider_id, desk.base + "elsewhere")
    assert [one.url for one in await line.list_hooks()] == [desk.base + "elsewhere"]
    await line.remove_hook(hook.provider_id)
    assert list(await line.list_hooks()) == []
    await line.remove_hook(hook.provider_id)


async def fetch_parts(desk: Desk) -> None:
    """The attachments of a message are listed, without its layout, and each is fetched."""
    assert desk.facts.with_parts is not None, "how does a message with attachments come in? see Facts.with_parts"
    ref = await came_in(desk)
    parts = await desk.patiently(desk.line.list_parts, ref)
    assert "image/png" in [part.content_type for part in parts]
    assert b"PNG" in [await desk.line.fetch_part(ref, part) for part in parts]


async def came_in(desk: Desk) -> str:
    """The id of a message with attachments that came in."""
    assert desk.facts.with_parts is not None
    if not isinstance(desk.line, spec.SyncsMailbox):
        await desk.listen()
    desk.facts.with_parts(desk.simulator)
    await desk.clock.advance(60)
    if isinstance(desk.line, spec.SyncsMailbox):
        return (await desk.line.list_mail(0, 10)).entries[0].ref
    (message,) = (await desk.next(desk.line.hook_events[0])).messages
    return message.ref or ""


async def sync_mailbox(desk: Desk) -> None:
    """The store is listed; what comes in later is told from where the list ended, and again when asked again."""
    line = desk.line
    assert line.syncs_mailbox
    assert line.sync_interval > 0
    page = await line.list_mail(0, 10)
    assert (page.entries, page.total) == ((), 0)
    assert page.cursor is not None
    desk.simulator.world.handset.text(sender=desk.facts.somebody, to=line.number, text=WORDS)
    await desk.clock.advance(60)
    for _ in range(2):
        changes = await line.fetch_changes(page.cursor)
        (added,) = changes.added
        mail = line.read_mail(added.ref, await line.fetch_mail(added.ref))
        assert (mail.sender.value, mail.recipient, mail.text) == (desk.facts.somebody, line.number, WORDS)
    nothing = await line.fetch_changes(changes.cursor)
    assert (nothing.added, nothing.updated, nothing.deleted) == ((), (), ())


async def manage_mailbox(desk: Desk) -> None:
    """A message is looked at, marked and deleted; then it is gone, and to delete it again is fine."""
    line = desk.line
    desk.simulator.world.handset.text(sender=desk.facts.somebody, to=line.number, text=WORDS)
    await desk.clock.advance(60)
    ref = (await line.list_mail(0, 10)).entries[0].ref
    assert (await line.get_mail(ref)).entry.is_unread is True
    await line.update_mail(ref, is_unread=False)
    assert (await line.get_mail(ref)).entry.is_unread is False
    await line.delete_mail(ref)
    with pytest.raises(Gone):
        await line.get_mail(ref)
    await line.delete_mail(ref)


async def hold_token(desk: Desk) -> None:
    """It says when the token in use expires: some time from now."""
    assert await desk.line.verify()
    assert desk.line.token_expires_at > desk.clock.now()


async def need_consent(desk: Desk) -> None:
    """It stands once it is given, is no more once it is given back, and can be given again."""
    assert (await desk.line.consent()).given
    await desk.line.revoke_consent()
    standing = await desk.line.consent()
    assert not standing.given
    assert standing.reason
    await desk.line.take_consent((await desk.browse()).query["code"], REDIRECT)
    assert (await desk.line.consent()).given


EXERCISES: Mapping[type[Any], Exercise] = {
    spec.Sends: send,
    spec.FetchesInbox: empty_inbox,
    spec.SalvagesInbox: salvage_inbox,
    spec.ShowsSentInHooks: show_sent,
    spec.AsksStatus: ask_status,
    spec.TakesHooks: take_hooks,
    spec.InstallsHooks: install_hooks,
    spec.FetchesParts: fetch_parts,
    spec.SyncsMailbox: sync_mailbox,
    spec.ManagesMailbox: manage_mailbox,
    spec.NeedsConsent: need_consent,
    spec.HoldsToken: hold_token,
}


def accepted(desk: Desk) -> list[dict[str, Any]]:
    """What the simulator took."""
    return [line for line in desk.simulator.world.ledger.lines() if line["what"] == "accepted"]


def is_on(line: Any, capability: type[Any]) -> bool:
    """Whether a line has a capability, and its settings leave it switched on."""
    if not isinstance(line, capability):
        return False
    switch = {
        spec.FetchesInbox: "polls_inbox",
        spec.SalvagesInbox: "polls_inbox",
        spec.AsksStatus: "asks_status",
        spec.TakesHooks: "hook_events",
        spec.ShowsSentInHooks: "shows_sent_in_hooks",
    }
    return bool(getattr(line, switch.get(capability, "alias")))


ALL = [
    pytest.param(provider, variant, capability, id=f"{provider}-{place}-{capability.__name__}")
    for provider in providers()
    for place, variant in enumerate(facts_of(provider).variants)
    for capability in EXERCISES
    if is_on(unconnected(provider, variant), capability)
]


@pytest.mark.parametrize(("provider", "variant", "capability"), ALL)
async def test_a_declared_capability_does_what_it_says(
    provider: str, variant: Mapping[str, Any], capability: type[Any]
) -> None:
    """And nothing that the provider's documents forbid."""
    async with a_desk(provider, variant) as desk:
        await desk.ready()
        await EXERCISES[capability](desk)


@pytest.mark.parametrize(
    ("provider", "variant"),
    [pytest.param(name, variant, id=name) for name in providers() for variant in facts_of(name).variants],
)
async def test_a_line_says_what_it_is(provider: str, variant: Mapping[str, Any]) -> None:
    """Its name, its provider, its number, and that its credentials are good."""
    async with a_desk(provider, variant) as desk:
        await desk.ready()
        assert (desk.line.alias, desk.line.provider) == ("line", provider)
        assert desk.line.number
        assert await desk.line.verify()


def test_every_capability_has_its_exercise() -> None:
    """A new one in `spec` needs one here."""
    protocols = {one for one in vars(spec).values() if getattr(one, "_is_runtime_protocol", False)}
    assert protocols == set(EXERCISES)


@pytest.mark.parametrize("provider", providers())
def test_every_capability_of_a_provider_is_switched_on_in_a_variant(provider: str) -> None:
    """Or it would not be exercised."""
    lines = [unconnected(provider, variant) for variant in facts_of(provider).variants]
    # OneAPI's short codes have it only with an address in their settings, which is not known before a test runs.
    meant = EXERCISES.keys() - {spec.ShowsSentInHooks}
    declared = {capability for capability in meant if any(isinstance(line, capability) for line in lines)}
    assert declared == {capability for capability in meant if any(is_on(line, capability) for line in lines)}
    assert declared
    assert discover()[provider].operations
