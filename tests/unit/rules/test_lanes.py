"""Lanes: high first, and nobody starved."""

from hypothesis import given
from hypothesis import strategies as st

from relay.rules.lanes import BULK, HIGH, NORMAL, Lanes, Places

LANES = {HIGH, NORMAL, BULK}


def _served(lanes: Lanes, having: set[int]) -> int:
    """One claim: the first lane in order that has work is served."""
    lane = next(lane for lane in lanes.order() if lane in having)
    lanes.served(lane)
    return lane


def _longest_wait(served: list[int], work: list[set[int]], lane: int) -> int:
    """The most claims in a row that went to others while the lane had work."""
    longest = wait = 0
    for had, got in zip(work, served, strict=True):
        wait = wait + 1 if lane in had and got != lane else 0
        longest = max(longest, wait)
    return longest


@given(st.lists(st.sets(st.sampled_from(sorted(LANES)), min_size=1), max_size=300))
def test_each_lane_gets_its_share_whatever_work_there_is(work: list[set[int]]) -> None:
    """Of any five claims while normal has work one is normal's; of any ten while bulk has work one is bulk's."""
    lanes = Lanes()
    served = [_served(lanes, having) for having in work]
    assert _longest_wait(served, work, NORMAL) <= 4
    assert _longest_wait(served, work, BULK) <= 9


@given(st.lists(st.sampled_from(sorted(LANES)), max_size=100))
def test_every_lane_is_in_the_order_once(history: list[int]) -> None:
    """Whatever was served before: a lane that has the only work is found."""
    lanes = Lanes()
    for lane in history:
        lanes.served(lane)
    assert sorted(lanes.order()) == sorted(LANES)


def test_high_goes_first_and_bulk_last() -> None:
    """As long as nobody has waited too long."""
    assert Lanes().order() == (HIGH, NORMAL, BULK)


def test_with_work_everywhere_high_has_the_most() -> None:
    """A thousand claims: high has seven of ten, the others hardly more than their guaranteed share."""
    lanes = Lanes()
    served = [_served(lanes, LANES) for _ in range(1000)]
    assert served.count(HIGH) > 650
    assert 200 <= served.count(NORMAL) < 230
    assert 100 <= served.count(BULK) < 130


def test_without_high_normal_goes_before_bulk() -> None:
    """A campaign beside ordinary texts has its guaranteed share and no more."""
    lanes = Lanes()
    served = [_served(lanes, {NORMAL, BULK}) for _ in range(1000)]
    assert 100 <= served.count(BULK) < 130


def test_a_lane_alone_has_everything() -> None:
    """Shares are for those who have work."""
    lanes = Lanes()
    assert {_served(lanes, {BULK}) for _ in range(50)} == {BULK}


def test_a_lane_that_was_empty_is_served_soon_but_owed_no_more_than_one() -> None:
    """A thousand claims without bulk do not make up a thousand claims for it."""
    lanes = Lanes()
    for _ in range(1000):
        _served(lanes, {HIGH})
    after = [_served(lanes, LANES) for _ in range(10)]
    assert after[:2] == [NORMAL, BULK]
    assert after.count(BULK) <= 2


def test_lanes_that_are_tried_out_leave_their_own_as_they_are() -> None:
    """A claim that comes to nothing has served nobody."""
    lanes = Lanes()
    tried = lanes.copy()
    for _ in range(4):
        tried.served(HIGH)
    assert tried.order() == (NORMAL, HIGH, BULK)
    assert lanes.order() == (HIGH, NORMAL, BULK)


@given(st.integers(1, 30), st.data())
def test_the_last_free_place_is_the_high_lane_s(size: int, data: st.DataObject) -> None:
    """Of two places or more: others take it only while one of the high lane has another."""
    ordinary = data.draw(st.integers(0, size))
    free = data.draw(st.integers(0, size - ordinary))
    places = Places(Lanes(), size, free, ordinary, data.draw(st.integers(0, size)))
    having = st.sampled_from(sorted(LANES))
    while places.open_lanes:
        lane = data.draw(having)
        if lane not in places.open_lanes:
            break
        places.take(lane)
    assert size == 1 or places.ordinary <= max(ordinary, size - 1)


@given(st.integers(0, 20), st.integers(0, 20))
def test_no_more_is_taken_than_is_free_and_allowed(free: int, most: int) -> None:
    """Whatever waits."""
    places = Places(Lanes(), 40, free, 0, most)
    taken = 0
    while places.open_lanes:
        places.take(HIGH)
        taken += 1
    assert taken == min(free, most)
    assert (places.free, places.most) == (free - taken, most - taken)
