"""Changes of the store since a state, in both shapes of simulated In-App Messaging."""

from typing import Any
from urllib.parse import quote

import pytest

from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.inapp_people import FRIEND, InAppUser, received, said, texted, wrongs


async def test_what_came_changed_and_went_is_told(simulator: Simulator, inapp: InAppUser) -> None:
    """As documented: summaries without recipients and direction, and the ids of what went."""
    read, gone = texted(simulator, "one", "two")
    state = await inapp.state()
    (new,) = texted(simulator, "three")
    simulator.act("att-inapp", "read", {"id": read})
    simulator.act("att-inapp", "delete", {"id": gone})
    changes = await inapp.changes(state)
    added = {"messageId": new, "from": f"tel:{FRIEND}", "isUnread": True, "type": "TEXT"}
    assert changes.pop("state") == await inapp.state()
    assert changes == {
        "addedMessages": [added | {"timeStamp": "2026-11-21T09:00:05Z"}],
        "updatedMessages": [added | {"timeStamp": "2026-11-21T09:00:05Z", "messageId": read, "isUnread": False}],
        "deletedMessages": [gone],
    }
    (line,) = said(simulator, "delta")
    assert {name: line[name] for name in ("add", "update", "delete")} == {"add": 1, "update": 1, "delete": 1}


async def test_served_the_kinds_are_apart_and_show_flags_only(simulator: Simulator, inapp: InAppUser) -> None:
    """The kits' shape: TEXT and MMS, each with adds, deletes and updates."""
    simulator.set_modes("att-inapp", {"shape": "served"})
    read, gone = texted(simulator, "one", "two")
    state = await inapp.state()
    (mms,) = received(simulator, text="three", subject="a picture")
    simulator.act("att-inapp", "read", {"id": read})
    simulator.act("att-inapp", "delete", {"id": gone})
    changes = await inapp.changes(state)
    flags = {"isUnread": True, "isFavorite": False}
    assert changes["delta"] == [
        {
            "type": "TEXT",
            "adds": [],
            "deletes": [{"messageId": gone, **flags}],
            "updates": [{"messageId": read, **flags, "isUnread": False}],
        },
        {"type": "MMS", "adds": [{"messageId": mms, **flags}], "deletes": [], "updates": []},
    ]


async def test_a_state_can_be_used_again(simulator: Simulator, inapp: InAppUser) -> None:
    """A delta takes nothing away; after it, from its state on, there is nothing new."""
    state = await inapp.state()
    texted(simulator, "hello")
    first, again = await inapp.changes(state), await inapp.changes(state)
    assert first == again
    nothing = await inapp.changes(first["state"])
    assert (nothing["addedMessages"], nothing["state"]) == ([], first["state"])


async def test_each_message_is_told_once(simulator: Simulator, inapp: InAppUser) -> None:
    """What came and was read has come; what came and went has gone."""
    state = await inapp.state()
    stays, goes = texted(simulator, "one", "two")
    simulator.act("att-inapp", "read", {"ids": [stays, goes]})
    simulator.act("att-inapp", "delete", {"id": goes})
    changes = await inapp.changes(state)
    assert [(one["messageId"], one["isUnread"]) for one in changes["addedMessages"]] == [(stays, False)]
    assert (changes["updatedMessages"], changes["deletedMessages"]) == ([], [goes])


async def test_an_answer_may_hold_a_part_of_the_changes(simulator: Simulator, inapp: InAppUser) -> None:
    """Its state leads on to the rest."""
    simulator.set_modes("att-inapp", {"delta_limit": 2})
    state = await inapp.state()
    ids = texted(simulator, *"abcde")
    pages = []
    while True:
        changes = await inapp.changes(state)
        pages.append([one["messageId"] for one in changes["addedMessages"]])
        if changes["state"] == state:
            break
        state = changes["state"]
    assert pages == [ids[:2], ids[2:4], ids[4:], []]


@pytest.mark.parametrize(
    ("style", "known_by"), [("ugly", set("|:,+/=")), ("digits", set("0123456789")), ("plain", set("state-"))]
)
async def test_states_look_as_they_like(simulator: Simulator, inapp: InAppUser, style: str, known_by: set[str]) -> None:
    """Opaque; those that were seen need encoding."""
    simulator.set_modes("att-inapp", {"states": style})
    texted(simulator, "hello")
    state = await inapp.state()
    assert known_by & set(state)
    assert (await inapp.delta(state)).status == 200


@pytest.mark.parametrize(
    ("bad_state", "status", "code"), [("SVC0002", 400, "SVC0002"), ("SVC0001", 400, "SVC0001"), ("409", 409, "SVC0001")]
)
async def test_a_state_that_is_none_is_refused(
    simulator: Simulator, inapp: InAppUser, bad_state: str, status: int, code: str
) -> None:
    """400 as documented, or as was seen."""
    simulator.set_modes("att-inapp", {"bad_state": bad_state})
    answer = await inapp.delta("nonsense")
    assert (answer.status, answer.json["RequestError"]["ServiceException"]["MessageId"]) == (status, code)
    assert simulator.world.violations.lines() == []


async def test_a_state_with_a_bare_plus_is_refused_and_noted(simulator: Simulator, inapp: InAppUser) -> None:
    """It arrives as a blank."""
    state = await inapp.state()
    assert (await inapp.call("GET", f"/delta?state={quote(state, safe='+')}")).status == 400
    assert wrongs(simulator) == ["delta"]


@pytest.mark.parametrize("query", ["", "?state="])
async def test_a_delta_needs_a_state(simulator: Simulator, inapp: InAppUser, query: str) -> None:
    """The document requires it."""
    assert (await inapp.call("GET", f"/delta{query}")).status == 400
    assert wrongs(simulator) == ["delta"]


async def test_states_can_be_purged(simulator: Simulator, inapp: InAppUser) -> None:
    """What was told before is worth nothing; what is told now is good."""
    state = await inapp.state()
    simulator.act("att-inapp", "purge-states")
    assert (await inapp.delta(state)).status == 400
    assert (await inapp.delta(await inapp.state())).status == 200


async def test_states_may_grow_old(simulator: Simulator, inapp: InAppUser, clock: ManualClock) -> None:
    """From when they were last told; the mode's zero is for ever."""
    simulator.set_modes("att-inapp", {"state_seconds": 100})
    state = await inapp.state()
    await clock.advance(99)
    assert (await inapp.changes(state))["state"] == state
    await clock.advance(99)
    assert (await inapp.delta(state)).status == 200
    await clock.advance(100)
    assert (await inapp.delta(state)).status == 400
    assert await inapp.state() != state


@pytest.mark.parametrize(
    ("shape", "empty_lists", "expected"),
    [
        ("documented", "null", {"addedMessages": None, "updatedMessages": None, "deletedMessages": None}),
        ("documented", "missing", {}),
        ("served", "null", {"type": "MMS", "adds": None, "deletes": None, "updates": None}),
        ("served", "missing", {"type": "MMS"}),
    ],
)
async def test_empty_lists_may_be_null_or_missing(
    simulator: Simulator, inapp: InAppUser, shape: str, empty_lists: str, expected: dict[str, Any]
) -> None:
    """In both shapes."""
    simulator.set_modes("att-inapp", {"shape": shape, "empty_lists": empty_lists})
    changes = await inapp.changes(await inapp.state())
    del changes["state"]
    assert (changes["delta"][1] if shape == "served" else changes) == expected
