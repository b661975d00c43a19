from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.drift.detectors import thresholds
from ablate.statistics.drift.sequential_ranks import ALLOWANCE, threshold
from ablate.statistics.drift.watch import MEAN_TIME, Observation, watch
from benchmarks.drift_detector import LONGEST, NOISES, Flock, cut_by_losses, run_lengths

START = datetime(2026, 1, 1, 2, tzinfo=UTC)


def history(**rows):
    """One firing per day; None if a row is missing."""
    columns = zip(*rows.values(), strict=True)
    means = [{row: mean for row, mean in zip(rows, one, strict=True) if mean is not None} for one in columns]
    return [Observation(START + timedelta(days=day), one) for day, one in enumerate(means)]


def noise(seed, n=100, shift=0.0, changed=60):
    values = np.random.default_rng(seed).normal(size=n)
    values[changed:] += shift
    return values.tolist()


SERIES = st.lists(st.floats(-100, 100).map(lambda value: round(value, 3)), min_size=4, max_size=40)


@given(SERIES)
def test_the_names_and_the_order_of_rows_decide_nothing(values):
    mirrored = [-2 * value for value in values]
    one = watch(history(a=values, b=mirrored)).rows
    other = watch(history(x=mirrored, y=values)).rows
    for before, after in (("a", "y"), ("b", "x")):
        assert one[before].series == other[after].series
        alarms = one[before].alarm, other[after].alarm
        assert (alarms[0] is None) == (alarms[1] is None)
        if alarms[0]:
            assert alarms[0].changed_index == alarms[1].changed_index


@given(SERIES, st.sampled_from([2.0**-20, 0.5, 8.0, 2.0**30]))
def test_units_do_not_matter(values, unit):
    plain, scaled = (watch(history(a=[factor * value for value in values])).rows["a"] for factor in (1.0, unit))
    assert scaled.series == plain.series
    assert (scaled.alarm is None) == (plain.alarm is None)
    if plain.alarm:
        assert scaled.alarm.size == pytest.approx(unit * plain.alarm.size)
        assert scaled.alarm.at_index == plain.alarm.at_index


@pytest.mark.parametrize("seed", range(20))
def test_where_the_zero_lies_does_not_matter(seed):
    values = noise(seed, shift=2.0)
    plain, moved = (watch(history(a=[value + zero for value in values])).alarm for zero in (0.0, 1e3))
    assert (moved.at_index, moved.changed_index, moved.detector) == (
        plain.at_index,
        plain.changed_index,
        plain.detector,
    )


@pytest.mark.parametrize("seed", range(20))
def test_mirrored_means_raise_the_mirrored_alarm(seed):
    values = noise(seed, shift=1.5)
    up, down = (watch(history(a=[side * value for value in values])).alarm for side in (1, -1))
    assert {up.direction, down.direction} == {"up", "down"}
    assert (up.at_index, up.changed_index, up.size) == (down.at_index, down.changed_index, -down.size)


@given(SERIES, st.integers(0, 10))
def test_later_firings_never_change_what_was_known(values, later):
    longer = [*values, *values[:later]]
    before, after = watch(history(a=values)).rows["a"], watch(history(a=longer)).rows["a"]
    assert after.series[: len(before.series)] == before.series
    assert before.alarm is None or after.alarm == before.alarm


def test_the_reference_is_the_first_firings():
    found = watch(history(a=[1.0, 3.0, 2.0, 4.0, 9.0, 9.5])).rows["a"]
    assert found.reference_indices == (0, 1, 2, 3)
    assert [point.index for point in found.series] == [4, 5]
    assert watch(history(a=noise(1)), reference=10).rows["a"].reference_indices == tuple(range(10))


def test_a_row_whose_window_is_not_full_is_not_judged_yet():
    found = watch(history(a=[1.0, 2.0, 90.0])).rows["a"]
    assert (found.series, found.alarm) == ((), None)
    assert found.reference_indices == (0, 1, 2)


def test_a_row_is_judged_by_the_firings_that_have_it_and_indices_are_of_the_history():
    values = noise(3, shift=4.0, n=70)
    gaps: list[float | None] = []
    for value in values:
        gaps += [None, value]
    dense, sparse = watch(history(a=values)).rows["a"], watch(history(a=gaps)).rows["a"]
    assert [(point.up, point.down) for point in sparse.series] == [(point.up, point.down) for point in dense.series]
    assert sparse.alarm.at_index == 2 * dense.alarm.at_index + 1
    assert sparse.alarm.changed_index == 2 * dense.alarm.changed_index + 1
    assert sparse.reference_indices == (1, 3, 5, 7)


def test_more_rows_make_each_of_them_slower_to_cry():
    values = noise(4, shift=1.5)
    alone = watch(history(a=values))
    among = watch(history(a=values, **{f"quiet {n}": noise(100 + n) for n in range(9)}))
    assert among.rows["a"].alarm.at_index > alone.rows["a"].alarm.at_index


def test_the_first_alarm_of_any_row_is_the_alarm_of_the_watch():
    found = watch(history(late=noise(5, shift=6.0, changed=80), early=noise(6, shift=6.0, changed=50)))
    assert found.alarm.row == "early"
    assert found.rows["late"].alarm is not None
    assert watch([]).alarm is None


def test_a_planted_change_is_found_and_dated_to_two_firings():
    pairs = [history(steady=noise(200 + seed), changed=noise(seed, shift=2.0)) for seed in range(80)]
    alarms = [watch(pair).rows["changed"].alarm for pair in pairs]
    assert None not in alarms
    found = [alarm for alarm in alarms if alarm.at_index >= 60]
    early = 1 - len(found) / len(alarms)
    assert early == pytest.approx(1 - math.exp(-56 / (2 * MEAN_TIME)), abs=0.12), "one in 400 for each of two rows"
    assert {alarm.direction for alarm in found} == {"up"}
    assert np.mean([abs(alarm.changed_index - 60) <= 2 for alarm in found]) > 0.8
    assert np.mean([alarm.at_index - 59 for alarm in found]) < 7
    assert np.mean([alarm.size for alarm in found]) == pytest.approx(2.1, abs=0.3)


def test_firings_that_were_equal_to_the_bit_and_are_so_no_more_are_an_alarm():
    found = watch(history(a=[13.25] * 6 + [13.5] * 3)).alarm
    assert (found.detector, found.at_index, found.changed_index, found.size) == ("constant", 8, 6, 0.25)
    assert watch(history(a=[13.25] * 50)).alarm is None


def test_the_first_firing_that_differs_from_equal_ones_is_a_notice():
    found = watch(history(a=[13.25] * 20 + [18.25, 13.25] * 20)).rows["a"]
    assert found.alarm is None
    assert (found.jumps[0].index, found.jumps[0].size, found.jumps[0].distance) == (20, 5.0, None)
    assert len(found.jumps) == 1
    assert watch(history(a=[13.25] * 3 + [18.25, 13.25] * 20)).rows["a"].jumps == (), "within the reference"


def test_more_lost_seeds_that_are_no_alarm_are_a_rise_of_the_row():
    found = watch(with_losses(a=[0] * 20 + [0, 1] * 15)).rows["a"]
    assert (found.alarm, found.rise.changed, found.rise.lost_after, found.rise.seeds_after) == (None, 21, 15, 87)


@pytest.mark.parametrize("side", [1, -1])
def test_a_firing_far_outside_is_a_notice_with_its_size_and_no_alarm(side):
    found = watch(history(a=[side * mean for mean in (13.2, 13.5, 13.1, 13.4, 90.0, 13.3)])).rows["a"]
    (jump,) = found.jumps
    assert (jump.index, jump.size) == (4, pytest.approx(side * (90 - 13.3)))
    assert side * jump.distance > 100
    assert found.alarm is None


def with_losses(**rows):
    """Firings of normal noise with these lost seeds of three; a row without a seed that ended has no mean."""
    firings = history(**{row: noise(10 + index, n=len(lost)) for index, (row, lost) in enumerate(rows.items())})
    return [
        Observation(
            one.at,
            {row: mean for row, mean in one.means.items() if rows[row][index] < 3},
            {row: (lost[index], 3) for row, lost in rows.items()},
        )
        for index, one in enumerate(firings)
    ]


def test_rows_that_diverge_on_all_seeds_are_an_alarm_with_its_counts():
    bad = [0] * 7 + [3] * 4
    found = watch(with_losses(a=[0] * 11, b=bad, c=bad))
    assert found.rows["a"].alarm is None
    for row in "bc":
        alarm = found.rows[row].alarm
        assert (alarm.row, alarm.direction, alarm.detector, alarm.size) == (row, "lost", "lost", None)
        assert (alarm.changed_index, alarm.at_index) == (7, 8)
        loss = alarm.loss
        assert (loss.lost_before, loss.seeds_before, loss.lost_after, loss.seeds_after) == (0, 21, 6, 6)


def test_a_row_that_never_had_a_number_is_watched_and_counts_among_the_rows():
    found = watch(with_losses(a=[0] * 6, b=[3] * 6))
    assert (found.rows["b"].reference_indices, found.rows["b"].alarm) == ((), None)
    values = noise(4, shift=1.5)
    silent = {f"silent {n}": (3, 3) for n in range(9)}
    among = watch([Observation(one.at, one.means, silent) for one in history(a=values)])
    assert among.rows["a"].alarm.at_index > watch(history(a=values)).rows["a"].alarm.at_index


def test_both_a_change_of_the_mean_and_lost_seeds_are_alarms_of_a_row_in_order_of_time():
    firings = with_losses(a=[0] * 40 + [3] * 10)
    moved = [
        Observation(one.at, {row: mean + 9 * (index >= 20) for row, mean in one.means.items()}, one.losses)
        for index, one in enumerate(firings)
    ]
    found = watch(moved).rows["a"].alarms
    assert [(alarm.direction, alarm.changed_index) for alarm in found] == [("up", 20), ("lost", 40)]


@pytest.mark.parametrize("count", [(-1, 3), (4, 3)])
def test_more_lost_seeds_than_seeds_are_refused(count):
    with pytest.raises(ValueError, match=r"row 'a': .* seeds are lost; give 0 to all of them"):
        watch([Observation(START, {"a": 1.0}, {"a": count})])


def test_a_large_change_right_behind_the_reference_is_seen_though_no_distribution_is_assumed():
    found = watch(history(a=noise(7, n=40, shift=6.0, changed=4))).alarm
    assert (found.detector, found.changed_index) == ("apart", 4)
    assert found.at_index < 24


@pytest.mark.parametrize("size", [1e-300, 1e150, 1e300])
def test_the_size_of_the_numbers_breaks_nothing(size):
    plain, scaled = (watch(history(a=[unit * value for value in noise(2, shift=4.0)])) for unit in (1.0, size))
    assert plain.alarm.changed_index == scaled.alarm.changed_index
    assert scaled.alarm.size == pytest.approx(size * plain.alarm.size, rel=1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_mean_that_is_no_number_is_refused_with_its_firing_and_row(bad):
    with pytest.raises(ValueError, match=r"2026-01-03 .*row 'b': its mean is .*; it must be finite"):
        watch(history(a=[1.0, 2.0, 3.0], b=[1.0, 2.0, bad]))


def test_firings_out_of_order_and_a_reference_or_time_too_short_are_refused():
    firings = history(a=[1.0, 2.0, 3.0, 4.0, 5.0])
    with pytest.raises(ValueError, match="sort the firings by time"):
        watch(firings[::-1])
    with pytest.raises(ValueError, match="reference is 3 firings; at least 4"):
        watch(firings, reference=3)
    with pytest.raises(ValueError, match="must be above 2"):
        watch(firings, mean_time_between_false_alarms=1)


@pytest.mark.parametrize(
    ("name", "rows", "seed"),
    [
        ("normal", 1, 0),
        ("lognormal", 1, 1),
        ("t2", 1, 2),
        ("exponential", 5, 3),
        ("Cauchy", 1, 4),
        ("3 % outliers of 10 sd", 1, 5),
    ],
)
def test_the_mean_time_between_false_alarms_is_the_stated_one(name, rows, seed):
    lengths = run_lengths(NOISES[name], rows, 500, np.random.default_rng(seed))
    error = np.std(lengths) / math.sqrt(len(lengths))
    assert abs(np.mean(lengths) - MEAN_TIME) < 0.2 * MEAN_TIME + 3 * error
    assert np.max(lengths) < LONGEST * MEAN_TIME


def test_lost_seeds_that_do_not_change_leave_the_mean_time_as_stated():
    rng = np.random.default_rng(6)
    lengths = cut_by_losses(run_lengths(NOISES["normal"], 1, 500, rng), 1, 3, 0.05, rng)
    error = np.std(lengths) / math.sqrt(len(lengths))
    assert abs(np.mean(lengths) - MEAN_TIME) < 0.2 * MEAN_TIME + 3 * error


def cusum_time(scores):
    """Mean firings between alarms of a CUSUM of scores (histories, firings), by alarms over firings at risk."""
    up = down = np.zeros(len(scores))
    lengths = np.full(len(scores), scores.shape[1])
    for place, score in enumerate(scores.T, 1):
        up, down = np.maximum(0, up + score - ALLOWANCE), np.maximum(0, down - score - ALLOWANCE)
        is_first = (np.maximum(up, down) > threshold(MEAN_TIME)) & (lengths == scores.shape[1])
        lengths[is_first] = place
    return lengths.sum() / (lengths < scores.shape[1]).sum()


def plugged_in(values):
    """The mean and sd of four firings taken for the true ones."""
    return (values[:, 4:] - values[:, :4].mean(axis=1)[:, None]) / values[:, :4].std(axis=1, ddof=1)[:, None]


def self_starting(values):
    """Hawkins 1987: the t of each firing against all before it, as a normal deviate of the same probability."""
    n = np.arange(4, values.shape[1])
    mean, square = (part.cumsum(axis=1)[:, 3:-1] / n for part in (values, values**2))
    sd = np.sqrt((square - mean**2) * n / (n - 1))
    t = (values[:, 4:] - mean) / (sd * np.sqrt(1 + 1 / n))
    return stats.norm.ppf(np.clip(stats.t.cdf(t, n - 1), 1e-12, 1 - 1e-12))


@pytest.mark.parametrize(
    ("name", "method", "is_held"),
    [
        ("normal", plugged_in, False),
        ("normal", self_starting, True),
        ("exponential", self_starting, False),
        ("lognormal", self_starting, False),
        ("t3", self_starting, False),
    ],
)
def test_known_remedies_hold_the_time_under_normal_noise_at_most(name, method, is_held):
    time = cusum_time(method(NOISES[name](np.random.default_rng(5), (500, 1, 600))[:, 0]))
    assert (abs(time - MEAN_TIME) < 0.2 * MEAN_TIME) == is_held, time


@pytest.mark.parametrize("name", NOISES)
def test_histories_that_are_simulated_together_are_watched_as_one_by_one(name):
    rows, firings = 2, 120
    drawn = NOISES[name](np.random.default_rng(9), (40, rows, firings))
    drawn[:20, 0, 50:] += 2.0
    drawn[20:25] = np.where(np.arange(firings) < 40, 1.0, drawn[20:25])
    flock, first = Flock(40, rows, thresholds(MEAN_TIME * rows)), np.full(40, firings)
    flock.reserve(firings)
    for place in range(firings):
        is_hit = flock.fire(drawn[:, :, place])
        first[is_hit & (first == firings)] = place
    alarms = [watch(history(a=one[0].tolist(), b=one[1].tolist())).alarm for one in drawn]
    assert [firings if alarm is None else alarm.at_index for alarm in alarms] == first.tolist()
    assert {"shift", "constant"} <= {alarm.detector for alarm in alarms if alarm}
