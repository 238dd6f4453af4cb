"""Web hooks that are installed against those that are wanted: what has to be changed, and no more."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.providerkit.hooks import Change, Install, Remove, Update, Wanted, host_of, is_right, reconcile
from relay.providerkit.spec import InstalledHook

OURS = "https://sms.example/hooks/office/"
EVENTS = ("receive", "send", "progress")
WANTED = [(event, f"{OURS}new/{event}") for event in EVENTS]
RECEIVE = WANTED[0]
SECOND = "https://second.example:8443/hooks/office/"


def ours(url: str) -> bool:
    """Whether an address is this line's."""
    return url.startswith((OURS, SECOND))


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
    assert reconcile([], WANTED, ours) == [Install(event, url) for event, url in WANTED]


def test_what_is_right_is_left_alone() -> None:
    """The usual case makes no call."""
    assert reconcile([hook(1, "receive"), hook(2, "send", method="PUT"), hook(3, "progress")], WANTED, ours) == []


@pytest.mark.parametrize("wrong", [hook(1, "receive", f"{OURS}old/receive"), hook(1, "receive", method="GET")])
def test_our_hook_that_is_wrong_is_updated(wrong: InstalledHook) -> None:
    """After a new secret, or after somebody's hand: a second hook would double every text."""
    changes = reconcile([wrong, hook(2, "send"), hook(3, "progress")], WANTED, ours)
    assert changes == [Update("1", *RECEIVE)]


def test_of_doubles_the_right_one_stays() -> None:
    """Each text came twice."""
    installed = [hook(1, "receive", f"{OURS}old/receive"), hook(2, "receive"), hook(3, "receive")]
    changes = reconcile(installed, [RECEIVE], ours)
    assert changes == [Remove("1", "receive", f"{OURS}old/receive"), Remove("3", *RECEIVE)]


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
    assert reconcile([hook(1, "receive")], [], ours) == [Remove("1", *RECEIVE)]


def test_hooks_of_others_are_left_alone() -> None:
    """Another program, or another line of ours, listens to the same account."""
    others = [
        hook(1, "receive", "https://crm.example/in"),
        hook(2, "receive", "https://sms.example/hooks/desk/new/receive"),
    ]
    assert reconcile(others, [RECEIVE], ours) == [Install(*RECEIVE)]


def test_each_host_has_its_own_hook_of_an_event() -> None:
    """Several hosts are named so that one of them may be down: each is called."""
    second = ("receive", f"{SECOND}new/receive")
    assert reconcile([hook(1, "receive")], [RECEIVE, second], ours) == [Install(*second)]
    assert reconcile([hook(1, *second), hook(2, *RECEIVE)], [RECEIVE, second], ours) == []


def test_a_hook_is_mended_on_its_own_host() -> None:
    """After a new secret each host's hook is changed, and no host is without one in between."""
    second = ("receive", f"{SECOND}new/receive")
    installed = [hook(1, "receive", f"{SECOND}old/receive"), hook(2, "receive", f"{OURS}old/receive")]
    assert reconcile(installed, [RECEIVE, second], ours) == [Update("2", *RECEIVE), Update("1", *second)]


def test_the_hook_of_a_host_that_is_no_longer_named_moves_to_the_one_that_is() -> None:
    """A move to another host is a change of one hook, not a loss and a gain."""
    moved = hook(1, "receive", f"{SECOND}new/receive")
    assert reconcile([moved], [RECEIVE], ours) == [Update("1", *RECEIVE)]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (f"{SECOND}new/receive", "second.example:8443"),
        ("https://user:word@crm.example/in?key=1", "crm.example"),
        ("http://[", ""),
        ("nothing", ""),
    ],
)
def test_a_host_is_shown_without_what_surrounds_it(url: str, host: str) -> None:
    """The rest of an address may be secret, whoever wrote it."""
    assert host_of(url) == host


def test_a_change_does_not_show_its_address() -> None:
    """There is a secret in it."""
    changes = [*reconcile([], WANTED, ours), *reconcile([hook(1, "receive", f"{OURS}old/receive")], WANTED, ours)]
    changes += reconcile([hook(1, "receive")], [], ours)
    assert len(changes) == 7
    assert "sms.example" not in repr(changes)


hooks = st.builds(
    hook,
    st.integers(0, 9),
    st.sampled_from([*EVENTS, "delete"]),
    st.none() | st.sampled_from([f"{OURS}old/x", f"{SECOND}old/x", "https://crm.example/in"]),
    st.sampled_from(["POST", "PUT", "GET"]),
)
wishes = st.tuples(st.sampled_from(EVENTS), st.sampled_from([OURS, SECOND])).map(
    lambda wish: (wish[0], f"{wish[1]}new/{wish[0]}")
)


@given(st.lists(hooks, unique_by=lambda entry: entry.provider_id), st.lists(wishes, unique=True))
def test_afterwards_each_wish_has_one_right_hook(installed: list[InstalledHook], wanted: list[Wanted]) -> None:
    """Whatever was there; the hooks of others are as they were, and a second look finds nothing to do."""
    after = applied(reconcile(installed, wanted, ours), installed)
    own = [entry for entry in after if ours(entry.url)]
    assert sorted((entry.event, entry.url) for entry in own) == sorted(wanted)
    assert all(is_right(entry, entry.url) for entry in own)
    assert [entry for entry in after if not ours(entry.url)] == [entry for entry in installed if not ours(entry.url)]
    assert reconcile(after, wanted, ours) == []
