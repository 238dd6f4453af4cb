"""What anybody can provoke: one line now and then, however often it happens."""

from relay.telemetry.sparingly import LINES, SOURCES, Sparingly


class _Watch:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_source_is_logged_once_in_ten_seconds_and_then_with_what_was_left_out() -> None:
    """Another event of the same source has a line of its own."""
    watch = _Watch()
    sparingly = Sparingly(watch)
    assert [sparingly.may("a", "x") for _ in range(4)] == [0, None, None, None]
    assert sparingly.may("b", "x") == 0
    watch.now = 9.9
    assert sparingly.may("a", "x") is None
    watch.now = 10.0
    assert (sparingly.may("a", "x"), sparingly.may("a", "x")) == (4, None)


def test_many_sources_share_a_number_of_lines() -> None:
    """A flood from everywhere is no flood of lines, and is counted all the same."""
    watch = _Watch()
    sparingly = Sparingly(watch)
    told = [sparingly.may("a", str(source)) for source in range(5000)]
    assert [one for one in told if one is not None] == [0] * LINES
    watch.now = 10.0
    assert sparingly.may("a", "another") == 5000 - LINES


def test_few_sources_are_remembered() -> None:
    """The one that was quiet for longest is forgotten: memory is bounded."""
    watch = _Watch()
    sparingly = Sparingly(watch)
    for source in range(SOURCES * 3):
        watch.now += 10.0
        sparingly.may("a", str(source))
    assert len(sparingly._sources) == SOURCES
