"""Web hooks that are installed against those that are wanted: what has to be changed, and no more."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.providerkit.hooks import Change, Install, Remove, Update, is_right, reconcile
from relay.providerkit.spec import InstalledHook

OURS = "https://sms.example/hooks/office/"
EVENTS = ("receive", "send", "progress")
WANTED = {event: f"{OURS}new/{event}" for event in EVENTS}


def ours(url: str) -> bool:
    """Whether an address is this line's."""
    return url.startswith(OURS)


def hook(provider_id: int, event: str, url: str | None = None, method: str = "POST") -> InstalledHook:
    """An installed hook; at the right address unless another is given."""
    return InstalledHook(str(provider_id), event, url or f"{OURS}new/{event}", method)


def applied(changes: Sequence[Change], installed: Sequence[InstalledHook]) -> list[InstalledHook]:
    """What is installed after the changes, by a provider that does what it is told."""
    after = {entry.provider_id: entry for entry in installed}
    for place, change in enumerate(changes):
        match change:
            case Install():
                after[f"added-{place}"] = InstalledHook(f"added-{place}", change.event, change.url, "POST")
            case Update():
                after[change.provider_id] = replace(after[change.provider_id], url=change.url, method="POST")
            case Remove():
                del after[change.provider_id]
    return list(after.values())


def test_what_is_missing_is_installed() -> None:
    """At the first start, all of it."""
    assert reconcile([], WANTED, ours) == [Install(event, url) for event, url in WANTED.items()]


def test_what_is_right_is_left_alone() -> None:
    """The usual case makes no call."""
    assert reconcile([hook(1, "receive"), hook(2, "send", method="PUT"), hook(3, "progress")], WANTED, ours) == []


@pytest.mark.parametrize("wrong", [hook(1, "receive", f"{OURS}old/receive"), hook(1, "receive", method="GET")])
def test_our_hook_that_is_wrong_is_updated(wrong: InstalledHook) -> None:
    """After a new secret, or after somebody's hand: a second hook would double every text."""
    changes = reconcile([wrong, hook(2, "send"), hook(3, "progress")], WANTED, ours)
    assert changes == [Update("1", "receive", WANTED["receive"])]


def test_of_doubles_the_right_one_stays() -> None:
    """Each text came twice."""
    installed = [hook(1, "receive", f"{OURS}old/receive"), hook(2, "receive"), hook(3, "receive")]
    changes = reconcile(installed, {"receive": WANTED["receive"]}, ours)
    assert changes == [Remove("1", "receive"), Remove("3", "receive")]


def test_nothing_is_removed_before_its_heir_is_there() -> None:
    """Between two calls no event is without a hook."""
    installed = [
        hook(1, "delete"),
        hook(2, "receive", f"{OURS}old/receive"),
        hook(3, "receive", f"{OURS}older/receive"),
    ]
    kinds = [type(change) for change in reconcile(installed, WANTED, ours)]
    assert kinds == [Update, Install, Install, Remove, Remove]


def test_an_event_that_is_no_longer_wanted_loses_its_hook() -> None:
    """It would be answered 404 and repeated for 72 hours."""
    assert reconcile([hook(1, "receive")], {}, ours) == [Remove("1", "receive")]


def test_hooks_of_others_are_left_alone() -> None:
    """Another program, or another line of ours, listens to the same account."""
    others = [
        hook(1, "receive", "https://crm.example/in"),
        hook(2, "receive", "https://sms.example/hooks/desk/new/receive"),
    ]
    assert reconcile(others, {"receive": WANTED["receive"]}, ours) == [Install("receive", WANTED["receive"])]


def test_a_change_does_not_show_its_address() -> None:
    """There is a secret in it."""
    changes = [*reconcile([], WANTED, ours), *reconcile([hook(1, "receive", f"{OURS}old/receive")], WANTED, ours)]
    assert "sms.example" not in repr(changes)


hooks = st.builds(
    hook,
    st.integers(0, 9),
    st.sampled_from([*EVENTS, "delete"]),
    st.none() | st.sampled_from([f"{OURS}old/x", "https://crm.example/in"]),
    st.sampled_from(["POST", "PUT", "GET"]),
)


@given(
    st.lists(hooks, unique_by=lambda entry: entry.provider_id),
    st.sets(st.sampled_from(EVENTS)).map(lambda events: {event: WANTED[event] for event in events}),
)
def test_afterwards_each_event_has_one_right_hook(installed: list[InstalledHook], wanted: dict[str, str]) -> None:
    """Whatever was there; the hooks of others are as they were, and a second look finds nothing to do."""
    after = applied(reconcile(installed, wanted, ours), installed)
    own = [entry for entry in after if ours(entry.url)]
    assert sorted(entry.event for entry in own) == sorted(wanted)
    assert all(is_right(entry, wanted[entry.event]) for entry in own)
    assert [entry for entry in after if not ours(entry.url)] == [entry for entry in installed if not ours(entry.url)]
    assert reconcile(after, wanted, ours) == []
