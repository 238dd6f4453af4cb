"""No packet id is given twice while its answer is awaited."""

import pytest

from relay.bus.packetids import PacketIds

ALL = 65_535


def test_ids_begin_with_one_and_start_again_after_the_last() -> None:
    """Zero is none (MQTT 5, section 2.2.1)."""
    ids = PacketIds()
    taken = []
    for _ in range(ALL + 2):
        taken.append(ids.take())
        ids.give_back(taken[-1])
    assert taken == [*range(1, ALL + 1), 1, 2]


def test_an_id_that_is_still_used_is_passed_over() -> None:
    """However often the others were used meanwhile."""
    ids = PacketIds()
    slow = [ids.take(), ids.take()]
    for _ in range(ALL - 2):
        ids.give_back(ids.take())
    assert (slow, ids.take()) == ([1, 2], 3)
    ids.give_back(1)
    for _ in range(ALL - 3):
        ids.give_back(ids.take())
    assert ids.take() == 1


def test_what_is_given_back_twice_is_free_once() -> None:
    """A broker may answer twice."""
    ids = PacketIds()
    ids.give_back(ids.take())
    ids.give_back(1)
    ids.give_back(77)
    assert [ids.take() for _ in range(ALL)] == [*range(2, ALL + 1), 1]


def test_more_than_there_are_cannot_be_taken() -> None:
    """It would have to be one that is used."""
    ids = PacketIds()
    for _ in range(ALL):
        ids.take()
    with pytest.raises(OverflowError):
        ids.take()
