"""The order in which tests are handed out to workers."""

from tests.dealing import dealt

LIGHT = [f"tests/unit/test_a.py::test_{number}" for number in range(20)]
HEAVY = [
    f"tests/{folder}/test_b.py::test_{number}" for folder in ("nodes", "systemd", "battery") for number in range(2)
]


def deal(workers: int) -> list[str]:
    """The ids, dealt out."""
    return dealt([(name, name) for name in [*LIGHT, *HEAVY]], workers)


def test_no_test_is_lost_or_doubled() -> None:
    """Whatever the number of workers."""
    for workers in range(1, 9):
        assert sorted(deal(workers)) == sorted([*LIGHT, *HEAVY])


def test_each_worker_begins_with_what_takes_long() -> None:
    """Every part of four begins with its pile."""
    handed = deal(4)
    size = -(-len(handed) // 4)
    begins = [handed[place * size] for place in range(4)]
    assert [name.split("/")[1] for name in begins] == ["nodes", "systemd", "battery", "unit"]


def test_nodes_stand_behind_one_another() -> None:
    """Three nodes at a time are enough for one machine."""
    places = [place for place, name in enumerate(deal(4)) if "/nodes/" in name]
    assert places == list(range(places[0], places[0] + len(places)))
