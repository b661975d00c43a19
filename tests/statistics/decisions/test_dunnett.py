from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.decisions.dunnett import compare_pooled, dunnett_critical, dunnett_p, fit_blocks, row_variances
from ablate.statistics.decisions.row_comparison import Runs, compare_runs
from ablate.statistics.decisions.sentences import describe_spread
from ablate.statistics.decisions.signflip import smallest_p


def table(values):
    """(rows, blocks) as mappings by seed; the first row is the reference."""
    reference, *rows = (dict(enumerate(row)) for row in np.asarray(values, dtype=float).tolist())
    return rows, reference


def tables(replicates, blocks, *, rows=6, effect=0.0, sds=1.0):
    """Normal tables with a block effect; the row after the reference is shifted by `effect` sd of a difference."""
    noise = np.random.default_rng(blocks).normal(size=(replicates, rows, blocks)) * np.reshape(sds, (-1, 1))
    noise[:, 1] += effect * math.sqrt(2)
    noise += 3 * np.random.default_rng(1).normal(size=(replicates, 1, blocks))
    return [table(values) for values in noise]


def largest_t(fit):
    return [abs(difference) / (fit.sd * math.sqrt(2 / len(fit.seeds))) for difference in fit.differences]


@pytest.mark.parametrize(("blocks", "pooled", "bonferroni"), [(3, 0.67, 0.12), (5, 0.94, 0.54)])
def test_power_beside_the_paired_tests(blocks, pooled, bonferroni):
    found = tables(500, blocks, effect=2)
    critical = dunnett_critical(5, 5 * (blocks - 1))
    by_pool = np.mean([largest_t(fit_blocks(rows, reference))[0] >= critical for rows, reference in found])
    p_t = [compare_runs(Runs("row", rows[0]), Runs("reference", reference)).p_t for rows, reference in found]
    assert by_pool == pytest.approx(pooled, abs=3 * math.sqrt(pooled * (1 - pooled) / 500))
    assert np.mean(np.array(p_t) <= 0.05 / 5) == pytest.approx(
        bonferroni, abs=3 * math.sqrt(bonferroni * (1 - bonferroni) / 500)
    )
    assert 5 * smallest_p(blocks) > 0.05  # sign flip with Holm: never


def family_wise_error(statistic, sds=1.0):
    found = tables(600, 4, sds=sds)
    return np.mean(
        [max(statistic(fit_blocks(rows, reference))) >= dunnett_critical(5, 15) for rows, reference in found]
    )


def test_equal_rows_give_few_findings():
    assert family_wise_error(largest_t) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_forgetting_that_the_reference_varies_too_does_not_pass_that_check():
    rate = family_wise_error(lambda fit: [math.sqrt(2) * t for t in largest_t(fit)])
    assert rate > 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_with_a_noisier_reference_the_error_is_above_the_nominal_one():
    assert 0.09 < family_wise_error(largest_t, sds=[2, 1, 1, 1, 1, 1]) < 0.20


@pytest.mark.parametrize(("m", "df", "critical"), [(1, 7, 2.365), (2, 10, 2.57), (4, 20, 2.65), (9, 60, 2.77)])
def test_critical_values_of_dunnetts_table(m, df, critical):
    assert dunnett_critical(m, df) == pytest.approx(critical, abs=0.006)


@pytest.mark.parametrize(("t", "m", "df"), [(2.5, 6, 12), (1.0, 2, 4), (3.4, 9, 40)])
def test_it_is_the_multivariate_t_with_correlation_one_half(t, m, df):
    joint = stats.multivariate_t(np.zeros(m), 0.5 + 0.5 * np.eye(m), df)
    inside = joint.cdf(np.full(m, t), lower_limit=np.full(m, -t), random_state=1)
    assert dunnett_p(t, m, df) == pytest.approx(1 - inside, abs=1e-3)


def test_the_one_way_dunnett_of_scipy_has_the_same_distribution():
    a, b, control = np.random.default_rng(8).normal(size=(3, 6))
    found = stats.dunnett(a, b, control=control, rng=1)
    expected = [dunnett_p(t, 2, 15) for t in found.statistic]
    assert found.pvalue == pytest.approx(expected, abs=1e-3)


@settings(deadline=None)
@given(st.floats(0, 50), st.integers(1, 60))
def test_for_one_comparison_it_is_students_t(t, df):
    assert dunnett_p(t, 1, df) == pytest.approx(2 * stats.t.sf(t, df), rel=1e-9, abs=1e-14)


@settings(deadline=None)
@given(st.floats(0, 1e12), st.integers(1, 40), st.integers(1, 200))
def test_its_p_is_never_zero_and_lies_between_one_comparison_and_bonferroni(t, m, df):
    p, single = dunnett_p(t, m, df), 2 * float(stats.t.sf(t, df))
    assert 0 < p <= 1
    assert single * (1 - 1e-6) - 1e-14 <= p <= min(1.0, m * single) * (1 + 1e-6) + 1e-14


def test_one_row_is_the_paired_t_test():
    row, reference = [22.9, 23.4, 22.7, 23.8], [22.1, 22.9, 22.6, 22.5]
    fit = fit_blocks([dict(enumerate(row))], dict(enumerate(reference)))
    found = compare_pooled(fit, 0, comparisons=1)
    expected = stats.ttest_rel(row, reference)
    interval = expected.confidence_interval(0.95)
    assert (found.p, found.p_adj) == pytest.approx((expected.pvalue, expected.pvalue), abs=1e-12)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_the_residual_variance_is_that_of_the_two_way_layout():
    values = np.random.default_rng(9).normal(size=(4, 5))
    rows, reference = table(values)
    fit = fit_blocks(rows, reference)
    design = np.array([[*np.eye(4)[i], *np.eye(5)[j]] for i in range(4) for j in range(5)])
    residual = values.ravel() - design @ np.linalg.lstsq(design, values.ravel(), rcond=None)[0]
    assert (fit.df, fit.sd) == (12, pytest.approx(math.sqrt(residual @ residual / 12), rel=1e-12))


def test_p_and_interval_decide_alike():
    rows, reference = table(np.random.default_rng(10).normal([[0], [0.2], [1], [3], [4]], 1, (5, 4)))
    fit = fit_blocks(rows, reference)
    found = [compare_pooled(fit, row, comparisons=4) for row in range(4)]
    decided = [one.p_adj <= 0.05 for one in found]
    assert decided == [one.low > 0 or one.high < 0 for one in found]
    assert set(decided) == {True, False}


def test_rows_left_out_of_the_model_still_count():
    rows, reference = table(np.random.default_rng(11).normal([[0], [2], [2]], 1, (3, 4)))
    fit = fit_blocks(rows, reference)
    two, five = (compare_pooled(fit, 0, comparisons=m) for m in (2, 5))
    assert two.p == five.p < two.p_adj < five.p_adj
    assert five.low < two.low < two.high < five.high


def test_only_complete_blocks_enter():
    rows, reference = table(np.random.default_rng(12).normal(size=(3, 5)))
    incomplete = [{seed: value for seed, value in rows[0].items() if seed != 2}, rows[1]]
    fit = fit_blocks(incomplete, reference)
    assert fit.seeds == (0, 1, 3, 4)
    assert fit == fit_blocks([{s: row[s] for s in fit.seeds} for row in rows], {s: reference[s] for s in fit.seeds})


@pytest.mark.parametrize(
    "rows",
    [[], [{}], [{0: 1.0}], [{0: 1.0}, {1: 2.0}], [{0: 3.0, 1: 4.0}, {0: 5.0, 1: 6.0}]],
    ids=["no row", "no seed", "one block", "no common block", "no error"],
)
def test_where_there_is_nothing_to_fit_there_is_no_fit(rows):
    assert fit_blocks(rows, {0: 1.0, 1: 2.0}) is None


def test_the_size_of_the_numbers_does_not_matter():
    values = np.random.default_rng(13).normal(size=(4, 5))
    plain = fit_blocks(*table(values))
    for factor in (1000, 1e-200, 1e140):
        scaled = fit_blocks(*table(values * factor))
        assert largest_t(scaled) == pytest.approx(largest_t(plain), rel=1e-9)
        assert scaled.p_spread == pytest.approx(plain.p_spread, rel=1e-9)


def test_unequal_spread_is_seen_where_it_is_large_and_seeds_are_many():
    sds = [1, 1, 1, 1, 1, 4]
    unequal = [fit_blocks(rows, reference) for rows, reference in tables(60, 8, sds=sds)]
    equal = [fit_blocks(rows, reference) for rows, reference in tables(200, 8)]
    assert np.mean([fit.p_spread < 0.05 for fit in unequal]) > 0.6
    assert np.mean([fit.p_spread < 0.05 for fit in equal]) < 0.12


def test_the_spread_of_a_row_is_estimated_without_that_of_the_others():
    sds = np.array([1.0, 1.0, 1.0, 4.0])
    values = np.random.default_rng(15).normal(size=(3_000, 4, 6)) * sds[:, None]
    left = values - values.mean(axis=2, keepdims=True) - values.mean(axis=1, keepdims=True)
    left += values.mean(axis=(1, 2), keepdims=True)
    found = np.mean([row_variances(of_table) for of_table in left], axis=0)
    assert found == pytest.approx(sds**2, rel=0.08)
    assert np.mean((left**2).sum(axis=2) / 5, axis=0)[0] > 1.4, "the residuals themselves have some of the others'"


def test_one_row_mirrors_its_reference_so_that_its_spread_cannot_be_checked():
    fit = fit_blocks(*table(np.random.default_rng(14).normal(size=(2, 20)) * [[1.0], [9.0]]))
    assert (fit.p_spread, fit.spread_ratio) == (None, None)


def test_two_blocks_cannot_be_fitted_since_nothing_could_check_their_spread():
    assert fit_blocks(*table(np.random.default_rng(14).normal(size=(4, 2)))) is None


def test_residuals_of_one_size_cannot_show_whether_the_rows_have_equal_spread():
    values = [[0, 0, 0, 0], [1, -1, 1, -1], [-1, 1, -1, 1]]  # every residual is as far from 0 as the others of its row
    fit = fit_blocks(*table(values))
    assert fit.p_spread is None
    assert "which these values cannot check" in describe_spread(fit)


@pytest.mark.parametrize("unit", [2.0**-900, 2.0**490])
def test_the_unit_of_the_metric_changes_no_p_value_however_small_or_large(unit):
    values = np.random.default_rng(3).normal(size=(4, 5))
    fit, scaled = fit_blocks(*table(values)), fit_blocks(*table(values * unit))
    assert [compare_pooled(scaled, row, comparisons=3).p_adj for row in range(3)] == pytest.approx(
        [compare_pooled(fit, row, comparisons=3).p_adj for row in range(3)], rel=1e-12
    )


def test_a_spread_that_no_float_shows_is_no_spread():
    assert fit_blocks(*table(np.random.default_rng(3).integers(0, 9, size=(4, 5)) * 5e-324)) is None
