"""The table of states: what must hold for every pair in it and for every walk through it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.states import TRANSITIONS, Fact, IllegalTransition, State, Status, advance

INITIAL = {State.SCHEDULED, State.QUEUED, State.FAILED}
HANDED_OVER = State.SUBMITTED.rank
ROWS = [(state, fact, after) for state, row in TRANSITIONS.items() for fact, after in row.items()]

states = st.sampled_from(State)
facts = st.sampled_from(Fact)


def reachable(start: set[State]) -> set[State]:
    """Every state that some sequence of facts leads to, the starting ones included."""
    seen, ahead = set(start), list(start)
    while ahead:
        new = set(TRANSITIONS[ahead.pop()].values()) - seen
        seen |= new
        ahead += new
    return seen


@st.composite
def lives(draw: st.DrawFn, starts: set[State]) -> list[State]:
    """The states a copy goes through: at each step any fact that the table allows, as chance has it."""
    path = [draw(st.sampled_from([state for state in State if state in starts]))]
    for _ in range(draw(st.integers(0, 25))):
        fact = draw(st.sampled_from(list(TRANSITIONS[path[-1]])))
        path.append(advance(path[-1], fact))
    return path


def test_every_state_has_its_row() -> None:
    """A state without one would refuse every fact."""
    assert set(TRANSITIONS) == set(State)


def test_every_state_is_reachable() -> None:
    """From where copies begin: scheduled, queued, or refused at acceptance."""
    assert reachable(INITIAL) == set(State)


@pytest.mark.parametrize("state", [state for state in State if not state.final], ids=lambda state: state.key)
def test_every_copy_can_end(state: State) -> None:
    """No state is a trap."""
    assert any(after.final for after in reachable({state}))


@pytest.mark.parametrize("state", State, ids=lambda state: state.key)
def test_a_pair_that_is_not_listed_raises(state: State) -> None:
    """And says which, by name."""
    for fact in set(Fact) - set(TRANSITIONS[state]):
        with pytest.raises(IllegalTransition, match=f"{state.key} cannot be {fact.value}") as refusal:
            advance(state, fact)
        assert (refusal.value.state, refusal.value.fact) == (state, fact)


@given(states, facts)
def test_an_answer_depends_on_the_pair_alone(state: State, fact: Fact) -> None:
    """Asked again, after a refusal too, the table says the same: nothing was changed."""
    before = {row: dict(TRANSITIONS[row]) for row in State}
    first = [outcome(state, fact), outcome(state, fact)]
    assert first[0] == first[1]
    assert before == {row: dict(TRANSITIONS[row]) for row in State}


def outcome(state: State, fact: Fact) -> State | str:
    """Where the fact leads, or the refusal's words."""
    try:
        return advance(state, fact)
    except IllegalTransition as refusal:
        return str(refusal)


def test_the_table_cannot_be_changed() -> None:
    """Nobody adds a transition at run time."""
    with pytest.raises(TypeError):
        TRANSITIONS[State.QUEUED] = {}  # type: ignore[index]


@given(lives(INITIAL))
def test_rank_never_falls_once_a_copy_was_handed_over(path: list[State]) -> None:
    """Whatever comes, in whatever order: an old "sent" after "delivered" changes nothing."""
    highest = 0
    for state in path:
        assert state.rank >= highest
        highest = state.rank if state.rank >= HANDED_OVER else 0


@given(lives({state for state in State if state.rank == 90}))
def test_rank_90_never_changes(path: list[State]) -> None:
    """Delivered, undelivered, failed, expired and canceled are for good."""
    assert len(set(path)) == 1


@given(lives(INITIAL))
def test_a_copy_has_one_end(path: list[State]) -> None:
    """However it was reached, no life passes through two states of rank 90."""
    assert len({state for state in path if state.rank == 90}) <= 1


@given(states, st.permutations([fact for fact in Fact if fact in TRANSITIONS[State.SUBMITTED]]))
def test_a_copy_that_was_handed_over_takes_every_report_in_any_order(start: State, reports: list[Fact]) -> None:
    """Reports overtake one another on their way; none is illegal for a copy the provider has."""
    state = start if start.rank >= HANDED_OVER else State.SUBMITTED
    for fact in reports:
        state = advance(state, fact)
    assert state.rank == 90


REPORTS = [row for row in ROWS if row[0].rank >= HANDED_OVER]


@pytest.mark.parametrize(("state", "fact", "after"), REPORTS)
def test_a_report_told_twice_teaches_nothing_new(state: State, fact: Fact, after: State) -> None:
    """Web hooks are delivered again: the second time leaves the copy where the first time put it."""
    assert advance(state, fact) is after
    assert advance(after, fact) is after


@pytest.mark.parametrize(("state", "fact", "after"), ROWS)
def test_nothing_but_a_new_attempt_lets_rank_fall(state: State, fact: Fact, after: State) -> None:
    """Below the hand-over a copy may be put back, and only by these facts."""
    put_back = {Fact.POSTPONED, Fact.RELEASED, Fact.RESENT}
    assert after.rank >= state.rank or fact in put_back


@pytest.mark.parametrize(("state", "fact", "after"), REPORTS)
def test_a_report_of_equal_rank_teaches_nothing(state: State, fact: Fact, after: State) -> None:
    """But for one: a copy in doubt that is followed no longer."""
    news = (state, fact) == (State.UNKNOWN, Fact.FORGOTTEN)
    assert (after is state) == (after.rank == state.rank and not news)


def test_only_a_report_makes_a_copy_delivered() -> None:
    """Nothing that relay does itself makes a copy delivered."""
    delivered = {fact for state, fact, after in ROWS if after.status is Status.DELIVERED and after is not state}
    assert delivered == {Fact.DELIVERED, Fact.DELIVERED_UNCONFIRMED}


def test_an_uncertain_copy_waits_for_evidence_or_a_decision() -> None:
    """It is never sent again, expired or canceled on its own."""
    assert TRANSITIONS[State.UNCERTAIN].keys().isdisjoint({Fact.CLAIMED, Fact.RETRIED, Fact.EXPIRED, Fact.CANCELED})
    assert advance(State.UNCERTAIN, Fact.RESENT) is State.QUEUED
    assert advance(State.UNCERTAIN, Fact.ABANDONED) is State.GIVEN_UP
    assert advance(State.UNCERTAIN, Fact.DELIVERED) is State.DELIVERED


def test_an_unconfirmed_delivery_may_still_be_confirmed_or_denied() -> None:
    """Landline's 0 may be followed by 4 or 6, or by 5 or 7."""
    assert advance(State.DELIVERED_UNCONFIRMED, Fact.DELIVERED) is State.DELIVERED
    assert advance(State.DELIVERED_UNCONFIRMED, Fact.UNDELIVERED) is State.UNDELIVERED
    assert advance(State.DELIVERED_UNCONFIRMED, Fact.FORGOTTEN) is State.DELIVERED_UNCONFIRMED


def test_a_doubted_copy_is_followed_until_it_is_forgotten() -> None:
    """`unknown` is one word for two states: still followed, and given up."""
    assert not advance(State.SUBMITTED, Fact.DOUBTED).final
    assert advance(State.UNKNOWN, Fact.FORGOTTEN) is State.UNKNOWN_FOR_GOOD
    assert advance(State.UNKNOWN_FOR_GOOD, Fact.DELIVERED) is State.DELIVERED


@pytest.mark.parametrize("state", State, ids=lambda state: state.key)
def test_a_state_is_found_by_its_key(state: State) -> None:
    """The journal keeps the key."""
    assert State.of(state.key) is state


def test_an_unknown_key_is_no_state() -> None:
    """A journal of a newer relay is not guessed at."""
    with pytest.raises(KeyError):
        State.of("vanished")


def test_every_word_of_the_contract_has_a_state_of_its_rank() -> None:
    """Section 5 of the contract."""
    ranks = {state.status.value: set[int]() for state in State}
    for state in State:
        ranks[state.status.value].add(state.rank)
    assert ranks == {
        "scheduled": {10},
        "queued": {20},
        "sending": {30},
        "uncertain": {40},
        "submitted": {50},
        "sent": {60},
        "unknown": {70},
        "delivered": {80, 90},
        "undelivered": {90},
        "failed": {45, 90},  # given up, by nobody who knew; refused
        "expired": {90},
        "canceled": {90},
    }
    assert all(state.final for state in State if state.rank >= 80)


@pytest.mark.parametrize(("state", "fact", "after"), [row for row in ROWS if row[0].final])
def test_a_final_state_stays_final(state: State, fact: Fact, after: State) -> None:
    """A copy gets one final receipt, so what has ended is not open again."""
    assert after.final
