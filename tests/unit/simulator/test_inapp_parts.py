"""The pieces that simulated In-App Messaging is made of, each alone."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from relay.providerkit.simulated import World
from relay.providers.att_inapp.simulator import store as storing
from relay.providers.att_inapp.simulator.addresses import canonical, is_abroad, is_documented, shown
from relay.providers.att_inapp.simulator.mail import NewMail, mms_parts
from relay.providers.att_inapp.simulator.modes import InAppModes
from relay.providers.att_inapp.simulator.service import InAppService
from relay.providers.att_inapp.simulator.states import States
from relay.providers.att_inapp.simulator.store import Store

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


def mail(minutes: int = 0) -> NewMail:
    """A text."""
    return NewMail("+12065550142", ["+12065550150"], NOW + timedelta(minutes=minutes), "hi", incoming=True)


def new_store() -> Store:
    """A store whose ids are numbers."""
    numbers = itertools.count(1)
    return Store(lambda: str(next(numbers)))


@pytest.mark.parametrize(
    ("address", "known_as"),
    [
        ("tel:+12065550101", "+12065550101"),
        ("tel:2065550101", "+12065550101"),
        (" 12065550101 ", "+12065550101"),
        ("tel%3A%2B12065550101", "+12065550101"),
        ("short:12345", "12345"),
        ("SHORT:12345", "12345"),
        ("12345", "12345"),
        ("anna@example.com", "anna@example.com"),
        ("tel:+442071838750", "+442071838750"),
        ("anna@example", None),
        ("short:12", None),
        ("", None),
    ],
)
def test_an_address_has_one_canonical_form(address: str, known_as: str | None) -> None:
    """Whatever form it came in; None for what is none."""
    assert canonical(address) == known_as


def test_an_address_is_shown_with_its_scheme_where_documented() -> None:
    """And bare where served."""
    known = ["+12065550101", "12345", "anna@example.com"]
    documented = [shown(address, "documented") for address in known]
    assert documented == ["tel:+12065550101", "short:12345", "anna@example.com"]
    assert all(map(is_documented, documented))
    assert [shown(address, "served") for address in known] == known
    assert [is_abroad(address) for address in ["+442071838750", *known]] == [True, False, False, False]


def test_a_store_lists_by_time_and_remembers_every_change() -> None:
    """Equal times by the order of their coming."""
    store = new_store()
    ids = [store.add(mail(minutes)).id for minutes in (5, 1, 5)]
    assert [one.id for one in store.newest_first()] == [ids[2], ids[0], ids[1]]
    found = store.get(ids[1])
    assert found is not None
    assert store.update(found, unread=False) is True
    assert store.update(found, unread=False) is False
    store.delete(found)
    assert (len(store), store.revision) == (2, 5)
    since = store.since(3, 0)
    assert since is not None
    assert [(change.what, change.mail.id) for change in since[0]] == [("delete", ids[1])]


def test_a_limit_is_on_the_changes_that_are_looked_at() -> None:
    """So that whoever goes on from there misses none."""
    store = new_store()
    for _ in range(3):
        store.add(mail())
    since = store.since(0, 2)
    assert since is not None
    assert (len(since[0]), since[1]) == (2, 2)
    assert store.since(3, 2) == ([], 3)


def test_a_revision_that_is_not_known_has_no_changes() -> None:
    """Neither one to come, nor one before the first that is remembered."""
    store = new_store()
    assert store.since(1, 0) is None
    one = store.add(mail())
    for place in range(2 * storing._HISTORY):
        store.update(one, unread=bool(place % 2))
    assert store.since(0, 0) is None
    assert store.since(store.revision, 0) == ([], store.revision)


@pytest.mark.parametrize("style", ["ugly", "digits", "plain"])
def test_each_revision_has_a_state_of_its_own(world: World, style: str) -> None:
    """And the same each time."""
    modes = InAppModes()
    modes.change({"states": style})
    states = States(world, modes)
    told = [states.at(revision) for revision in range(50)]
    assert len(set(told)) == 50
    assert [states.at(revision) for revision in range(50)] == told
    assert [states.revision(state) for state in told] == list(range(50))


def test_an_mms_has_a_part_for_what_there_is() -> None:
    """Layout and text only where wanted."""
    assert mms_parts(None, [], smil=False) == []
    kinds = [(part.content_type, part.kind) for part in mms_parts("x", [], smil=True)]
    assert kinds == [("application/smil", "APPLICATION"), ("text/plain", "TEXT")]


def test_every_route_is_described(world: World) -> None:
    """With its success, and what may be refused; each operation has a name of its own."""
    service = InAppService(world)
    routed = {(route.method.lower(), route.path) for route in service.routes()}
    paths = service.describe()["paths"]
    assert {(method, path) for path, item in paths.items() for method in item} == routed
    operations = [operation for item in paths.values() for operation in item.values()]
    assert len({operation["summary"] for operation in operations}) == len(routed) == 11
    assert [operation["security"] for operation in operations].count([{"oauth2": ["IMMN"]}]) == 1
    assert all({"400", "401", "403"} < set(operation["responses"]) for operation in operations)
