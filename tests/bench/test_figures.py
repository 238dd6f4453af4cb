"""The arithmetic of benchmarks."""

import math
from dataclasses import replace

from bench import report
from bench.figures import Spread, per_core_second, percentile
from bench.measuring import Measured, only
from bench.options import Options
from bench.pairs import Pairs
from bench.profiling import kind_of, shares

RUN = Measured("relay", 1000, 2.0, 500.0, 0.25, 0.5, {"stub": 0.1}, 80.0, p50=1.0, p99=9.0)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """The least one that so many of a hundred do not exceed."""
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0
    assert math.isnan(percentile([], 0.5))


def test_a_spread_leaves_out_what_is_no_number() -> None:
    """A run that measured nothing of a kind does not count."""
    assert Spread.of([3.0, math.nan, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([1.0, 2.0, 3.0]).noise == 1.0
    assert math.isnan(Spread.of([]).median)


def test_microseconds_of_a_message_say_how_many_a_core_does() -> None:
    """500 microseconds each are 2,000 in a second."""
    assert per_core_second(500.0) == 2000.0
    assert math.isnan(per_core_second(0.0))
    assert (RUN.rate, RUN.per_core_second) == (500.0, 2000.0)


def test_a_ratio_is_taken_run_by_run() -> None:
    """A machine that is slow for a while is slow for both of a pair."""
    bare = replace(RUN, contender="bare-paho", cpu_us=250.0)
    slow = [replace(run, cpu_us=run.cpu_us * 3) for run in (RUN, bare)]
    pairs = Pairs([RUN, bare, *slow])
    assert pairs.contenders == ["relay", "bare-paho"]
    assert pairs.ratio("bare-paho") == Spread(0.5, 0.5, 0.5)


def test_the_innermost_known_frame_says_who_was_at_work() -> None:
    """Whatever called it, and however deep in a library it is."""
    assert kind_of("MainThread;step (relay/stages/sender.py:1);_request (aiohttp/client.py:7)") == "HTTP"
    assert (
        kind_of("writer;_work (relay/journal/writer.py:1);execute (sqlalchemy/engine/base.py:3);f (x.py:1)")
        == "journal"
    )
    assert kind_of("MainThread;something (elsewhere.py:1)") == "rest"


def test_shares_are_of_samples_at_work() -> None:
    """A thread that waits is not at work."""
    found = shares(
        ["a;b (aiohttp/web.py:1) 3", "a;c (relay/journal/x.py:2) 1", "t;_worker (concurrent/futures/thread.py:81) 9"]
    )
    assert (found["HTTP"], found["journal"], found["rest"]) == (0.75, 0.25, 0.0)
    assert shares([]) == {}


def test_a_table_has_a_line_for_each_contender_and_a_warning_where_the_other_core_held_up() -> None:
    """Whoever reads it sees what not to trust."""
    bare = replace(RUN, contender="bare-paho", cpu_us=250.0, other_core=0.97)
    lines = report.table({"OUT": Pairs([RUN, bare]), "IDLE": Pairs([only("relay", 70.0, {"% of a core": 0.5})])})
    assert lines[1].split()[:5] == ["OUT", "relay", "500", "2,000", "500"]
    assert lines[2].split()[-3:] == ["0.50", "0%", "97%"]
    assert lines[3].strip().startswith("! bare-paho: the other core was 97% busy (stub 10%)")
    assert lines[4].split() == ["IDLE", "relay", "70"]
    assert lines[5].strip() == "relay: % of a core 0.5 (0.5 to 0.5)"


def test_json_has_no_number_that_json_does_not_have() -> None:
    """NaN is null."""
    found = report.as_json({"IDLE": Pairs([only("relay", 70.0, {})])}, {"commit": "abc"})
    assert found["commit"] == "abc"
    assert found["workloads"]["IDLE"][0]["cpu_us"] is None
    assert found["workloads"]["IDLE"][0]["peak_mb"] == 70.0


def test_a_quick_run_is_small_where_nothing_else_was_asked_for() -> None:
    """What is asked for goes before what `--quick` means."""
    from bench.__main__ import options_of, parser  # noqa: PLC0415 - loads every workload

    quick = options_of(parser().parse_args(["OUT", "--quick", "--pairs", "2", "--ceiling", "both"]))
    assert (quick.pairs, quick.ceilings) == (2, ("paho", "codec"))
    assert quick.seconds < Options().seconds
    assert options_of(parser().parse_args(["--ceiling", "none"])).ceilings == ()
