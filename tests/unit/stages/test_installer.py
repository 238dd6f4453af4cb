"""The installer against AT&T, simulated: one hook an event, and nobody else's touched."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from relay.hookaddresses import hook_addresses, hook_prefix
from relay.stages.installer import LOOK_AGAIN, Installer
from relay.telemetry.health import LineState
from relay.webhooks import HookKeeper
from tests.unit.stages.house import GRACE, ME, OFFICE, House, seconds, until_rest

PUBLIC = "http://127.0.0.1:9"
SECRET, FORMER = "secret-0123456789", "former-0123456789"
EVENTS = ("receive", "send", "progress", "read", "delete")
WANTED = dict(hook_addresses([PUBLIC], OFFICE, SECRET, EVENTS))


def keeper(house: House, wanted: Mapping[str, str] = WANTED, node: str = ME, **line: str) -> HookKeeper:
    """A keeper of the office's hooks."""
    prefixes = [hook_prefix(PUBLIC, OFFICE)]
    return HookKeeper(house.landline(**line), [*wanted.items()], prefixes, journal=house.journal, node=node)


def installer(house: House, **more: Any) -> Installer:
    """An installer of the office's hooks."""
    return Installer(keeper(house, **more), house.ground)


async def installed(house: House) -> Counter[tuple[str, str]]:
    """What AT&T has."""
    return Counter((hook.event, hook.url) for hook in await house.landline().list_hooks())


async def test_every_event_gets_its_hook(house: House) -> None:
    """Five of them, once, and then nothing is left to do for ten minutes."""
    stage = installer(house)
    assert seconds(await until_rest(stage)) == LOOK_AGAIN
    assert await installed(house) == Counter(WANTED.items())
    await stage.step()
    assert await installed(house) == Counter(WANTED.items())
    assert house.board.of(OFFICE).state is LineState.READY


async def test_a_second_hook_of_an_event_is_removed(house: House) -> None:
    """It would have everything delivered twice."""
    await installer(house).step()
    for _ in range(2):
        await house.landline().install_hook("receive", WANTED["receive"])
    await installer(house).step()
    assert await installed(house) == Counter(WANTED.items())


async def test_a_hook_with_a_former_secret_is_pointed_to_the_present_one(house: House) -> None:
    """As one hook that is changed, so that no moment is without it."""
    former = dict(hook_addresses([PUBLIC], OFFICE, FORMER, EVENTS))
    for event, url in former.items():
        await house.landline().install_hook(event, url)
    before = {hook.event: hook.provider_id for hook in await house.landline().list_hooks()}
    await installer(house).step()
    assert await installed(house) == Counter(WANTED.items())
    assert {hook.event: hook.provider_id for hook in await house.landline().list_hooks()} == before


async def test_other_peoples_hooks_are_left_alone(house: House) -> None:
    """Another host's, another line's, and one whose path only looks like ours."""
    foreign = [
        ("receive", "https://crm.example.com/incoming"),
        ("receive", f"{PUBLIC}/hooks/office-2/{SECRET}/receive"),
        ("send", f"{PUBLIC}9/hooks/{OFFICE}/{SECRET}/send"),
    ]
    for event, url in foreign:
        await house.landline().install_hook(event, url)
    await installer(house).step()
    assert await installed(house) == Counter([*foreign, *WANTED.items()])


async def test_a_hook_of_ours_for_an_event_that_is_not_wanted_is_removed(house: House) -> None:
    """Its calls would be answered 404 for ever."""
    wanted = {"receive": WANTED["receive"]}
    await installer(house).step()
    await installer(house, wanted=wanted).step()
    assert await installed(house) == Counter(wanted.items())


async def test_drift_is_mended_after_ten_minutes(house: House) -> None:
    """Somebody removes one and bends another on the provider's pages."""
    stage = installer(house)
    rest = await until_rest(stage)
    hooks = {hook.event: hook.provider_id for hook in await house.landline().list_hooks()}
    await house.landline().remove_hook(hooks["receive"])
    await house.landline().update_hook(hooks["send"], f"{PUBLIC}/hooks/{OFFICE}/bent/send")
    await house.clock.advance(seconds(rest))
    await stage.step()
    assert await installed(house) == Counter(WANTED.items())
    assert seconds(rest) == 600


async def test_drift_is_announced_once_without_the_secret(house: House) -> None:
    """What is installed at a start is no drift; what is repaired later is told with what was done to which hook."""
    stage = installer(house)
    await stage.step()
    assert await house.bodies("event.webhook-drift") == []
    hooks = {hook.event: hook.provider_id for hook in await house.landline().list_hooks()}
    await house.landline().remove_hook(hooks["receive"])
    await house.landline().update_hook(hooks["send"], f"{PUBLIC}/hooks/{OFFICE}/bent/send")
    for _ in range(3):
        await stage.step()
    [drift] = await house.bodies("event.webhook-drift")
    repaired = sorted((one["hook"], one["repair"]) for one in drift["repaired"])
    assert repaired == [("receive", "installed"), ("send", "updated")]
    assert SECRET not in str(drift)


async def test_a_provider_that_does_not_answer_is_asked_again_soon(house: House) -> None:
    """The line shows it, until the hooks are known to be right."""
    house.fault("status", operation="webhook-list", status=503, times=2)
    stage = installer(house)
    for _ in range(2):
        assert seconds(await until_rest(stage)) < 5
        assert house.board.of(OFFICE).state is LineState.UNREACHABLE
    assert seconds(await until_rest(stage)) == LOOK_AGAIN
    assert house.board.of(OFFICE).state is LineState.READY
    assert await installed(house) == Counter(WANTED.items())


async def test_an_answer_that_was_lost_does_not_leave_two_hooks(house: House) -> None:
    """AT&T has added it, and nobody heard: what is there is listed before anything is added."""
    house.fault("cut-after", operation="webhook-add")
    stage = installer(house)
    await until_rest(stage)
    await until_rest(stage)
    assert await installed(house) == Counter(WANTED.items())


async def test_a_revoked_session_makes_the_line_unauthorized(house: House) -> None:
    """Nothing comes in there until a person acts."""
    stage = installer(house, session="00000000-0000-0000-0000-000000000000:9")
    rest = await until_rest(stage)
    assert house.board.of(OFFICE).state is LineState.UNAUTHORIZED
    assert seconds(rest) < 5


async def test_hooks_that_were_removed_on_purpose_are_not_put_back(house: House) -> None:
    """And when somebody has them installed again, that is no drift."""
    hooks = keeper(house)
    stage = Installer(hooks, house.ground)
    await stage.step()
    await hooks.remove()
    assert seconds(await until_rest(stage)) == LOOK_AGAIN
    assert await installed(house) == Counter()
    assert house.board.of(OFFICE).state is LineState.READY
    await hooks.install()
    await stage.step()
    assert await installed(house) == Counter(WANTED.items())
    assert await house.bodies("event.webhook-drift") == []


async def test_whoever_changes_hooks_by_hand_wakes_the_installer(house: House) -> None:
    """It looks at once, and not in ten minutes."""
    hooks = keeper(house)
    rest = await until_rest(Installer(hooks, house.ground))
    assert rest.bell is not None
    await hooks.remove()
    async with asyncio.timeout(GRACE):
        await rest.bell.wait()


async def test_two_nodes_look_after_the_hooks_without_doing_it_twice(house: House) -> None:
    """At the same moment, and one after the other."""
    first, second = installer(house, node="relay-1"), installer(house, node="relay-2")
    await asyncio.gather(first.step(), second.step())
    assert await installed(house) == Counter(WANTED.items())
    hooks = {hook.event: hook.provider_id for hook in await house.landline().list_hooks()}
    await house.landline().remove_hook(hooks["receive"])
    await asyncio.gather(second.step(), first.step())
    assert await installed(house) == Counter(WANTED.items())
